"""The keys that supervisor 4.x reads from each kind of section, as in its manual's page on the configuration file."""

_FROM = {
    "unix_http_server": "file chmod chown username password",
    "inet_http_server": "port username password",
    "supervisord": "logfile logfile_maxbytes logfile_backups loglevel pidfile umask nodaemon silent minfds minprocs"
    " nocleanup childlogdir user directory strip_ansi environment identifier",
    "program:": "command process_name numprocs numprocs_start priority autostart startsecs startretries autorestart"
    " exitcodes stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr stdout_logfile"
    " stdout_logfile_maxbytes stdout_logfile_backups stdout_capture_maxbytes stdout_events_enabled stdout_syslog"
    " stderr_logfile stderr_logfile_maxbytes stderr_logfile_backups stderr_capture_maxbytes stderr_events_enabled"
    " stderr_syslog environment directory umask serverurl",
    "group:": "programs priority",
}
KEYS = {section: frozenset(keys.split()) for section, keys in _FROM.items()}
KEYS["eventlistener:"] = KEYS["program:"] | {"buffer_size", "events", "result_handler"}
KEYS["fcgi-program:"] = KEYS["program:"] | {"socket", "socket_backlog", "socket_owner", "socket_mode"}
OTHERS = ("supervisorctl", "rpcinterface:", "ctlplugin:", "include")  # their keys belong to others
