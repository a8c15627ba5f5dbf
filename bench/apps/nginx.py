"""nginx in front of `model_service`, unbuffered and with one worker: `python -m bench.apps.nginx PORT SERVICE`."""

import os
import sys
from pathlib import Path

CONFIGURATION = """
worker_processes 1;
error_log stderr warn;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /pid {{ return 200 $pid; }}
        location / {{
            proxy_pass http://127.0.0.1:{service};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def main() -> None:
    """Becomes nginx, in the current folder."""
    port, service = map(int, sys.argv[1:])
    user = "user root;" if os.getuid() == 0 else ""  # who may read this folder
    Path("nginx.conf").write_text(user + CONFIGURATION.format(port=port, service=service))
    os.execvp("nginx", ["nginx", "-p", ".", "-c", "nginx.conf", "-g", "daemon off;"])  # no shell


if __name__ == "__main__":
    main()
