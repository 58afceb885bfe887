"""The composition root: everything is built here from the settings, started in order, stopped in reverse."""

from doorguard.app.build import (
    build_camera,
    build_strike,
    build_vision,
    encoder_in_use,
    load_settings_at,
    open_store,
    threshold_table,
)
from doorguard.app.commands import (
    carry_out,
    check_camera,
    encode_photo,
    face_of_photo,
    identify_photo,
    list_residents,
    promise,
    restore_backup,
    save_picture,
    show_resident,
    write_backup,
)
from doorguard.app.service import Daemon, Resources, assemble, run_daemon
from doorguard.control.client import daemon_running
from doorguard.control.protocol import rebuild_error
from doorguard.daemon.roster import match_rules, policy_rules

__all__ = [
    "Daemon",
    "Resources",
    "assemble",
    "build_camera",
    "build_strike",
    "build_vision",
    "carry_out",
    "check_camera",
    "daemon_running",
    "encode_photo",
    "encoder_in_use",
    "face_of_photo",
    "identify_photo",
    "list_residents",
    "load_settings_at",
    "match_rules",
    "open_store",
    "policy_rules",
    "promise",
    "rebuild_error",
    "restore_backup",
    "run_daemon",
    "save_picture",
    "show_resident",
    "threshold_table",
    "write_backup",
]
