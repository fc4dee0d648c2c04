"""What the slots of the command templates can stand for."""

from random import Random

_PLAIN: dict[str, str] = {
    "anydir": ". .. src /etc /var/log /tmp ~ /home/alice /opt /srv/www ./docs /usr/share /var/lib/docker /proc/sys",
    "anyfile": "/etc/hosts README.md /var/log/syslog ./run.sh /usr/bin/env ~/.profile notes.txt",
    "reldir": "src docs ./lib tests ./public app/config vendor scripts . web/static ./data charts/api",
    "relfile": "README.md notes.txt src/main.py ./config.yml app.js data.csv Makefile todo.md ./run.sh lib/util.rs "
    "index.html package.json report.txt values.yaml server.log test/fixtures.json",
    "relname": "app web api report backup deploy worker cache release demo blog shop billing search frontend metrics "
    "invoice-2024 old site image-7 queue",
    "builddir": "build ./build dist ./dist target out ./coverage .next __pycache__ node_modules .pytest_cache "
    "vendor/bundle .venv bin/Debug",
    "tmpdir": "/tmp /tmp/work /var/tmp /tmp/build-42 /tmp/stage /tmp/tmp.aX8sQ2",
    "root": "/ /* / /. // / /../",
    "homeroot": "~ ~/ $HOME /home /root /home/* /home/alice ~/* /Users /root/*",
    "sysdir": "/etc /usr /var /lib /bin /sbin /boot /lib64 /usr/lib /usr/bin /var/lib /etc/ssh /dev /sys /usr/local",
    "sysfile": "/etc/passwd /etc/shadow /etc/fstab /etc/sudoers /etc/ssh/sshd_config /etc/hosts /etc/group "
    "/etc/resolv.conf /boot/grub/grub.cfg /etc/crontab /etc/pam.d/common-auth",
    "conf": "/etc/nginx/nginx.conf /etc/mysql/my.cnf /etc/php/8.2/fpm/php.ini /etc/haproxy/haproxy.cfg "
    "/etc/redis/redis.conf /etc/postgresql/15/main/postgresql.conf /etc/apache2/apache2.conf /etc/rsyslog.conf "
    "/etc/default/grub /etc/prometheus/prometheus.yml",
    "logfile": "/var/log/syslog /var/log/auth.log /var/log/nginx/error.log /var/log/messages app.log "
    "/var/log/mysql/error.log ./logs/server.log /var/log/kern.log",
    "homedir": "~ /home/alice $HOME /home/bob ~/work /home/deploy",
    "datadir": "/var/lib/mysql /var/lib/postgresql /srv/data /data /mnt/backup /var/lib/docker /var/www /srv "
    "/var/lib/postgresql/15/main /var/backups /mnt/nas /export/home",
    "device": "/dev/sda /dev/sdb /dev/nvme0n1 /dev/vda /dev/xvdf /dev/mmcblk0 /dev/hda /dev/nvme1n1",
    "partition": "/dev/sda1 /dev/sdb2 /dev/nvme0n1p1 /dev/vda3 /dev/xvdf1 /dev/mapper/vg0-root /dev/md0 /dev/sdc",
    "mount": "/mnt /mnt/data /media/usb /srv /data /home /mnt/nas /backup",
    "user": "alice bob carol deploy www-data jenkins ubuntu postgres git eve mallory admin",
    "group": "developers ops web staff build data-team",
    "host": "web-1 db01 app.internal bastion node-3 10.0.0.12 staging.example.com host.example.org cache-2 worker-4",
    "domain": "example.com www.example.org api.example.net shop.example.com",
    "url": "https://example.com https://api.example.com/v1/users https://downloads.example.org "
    "https://github.com/example/project https://registry.example.net http://intranet.local",
    "evilurl": "http://203.0.113.7 http://198.51.100.23:8080/p https://evil.example/x http://x0.example "
    "http://192.0.2.66/a https://paste.example/raw/Xy12 http://203.0.113.9:4444",
    "evildomain": "evil.example t.x0.example dns.exfil.example",
    "table": "users orders sessions events audit_log payments customers invoices products",
    "db": "shop production app_db analytics wordpress billing test staging",
    "image": "nginx alpine ubuntu:22.04 registry.example.net/app:1.4 redis:7 python:3.12-slim busybox",
    "container": "web db_1 app-redis-1 8f3c2a1b9d0e worker proxy",
    "pod": "web-6d4cf56db6-x7v2p api-0 worker-5 nginx debug-shell",
    "namespace": "default production staging kube-system monitoring team-a",
    "bucket": "backups assets-prod acme-logs data-lake my-bucket",
    "instance": "i-0abc12345def67890 i-1234567890abcdef0 i-0f00ba4",
    "package": "nginx curl vim htop postgresql redis-server git docker.io tmux jq python3-pip openjdk-17-jre strace",
    "pypkg": "requests flask numpy django pandas pytest boto3 black",
    "npmpkg": "lodash express react typescript eslint ripgrep webpack left-pad",
    "tool": "ls git python3 docker ssh tar make curl grep sed awk node rsync systemctl",
    "service": "nginx postgresql mysql redis apache2 docker cron php8.2-fpm haproxy kubelet sshd prometheus rabbitmq",
    "appservice": "nginx myapp gunicorn celery php8.2-fpm grafana-server tomcat9 worker@1 node_exporter",
    "coreservice": "sshd networking docker postgresql mysql systemd-networkd kubelet mariadb NetworkManager",
    "module": "nvidia kvm usb_storage br_netfilter overlay",
    "branch": "main feature/login fix-123 develop release/1.2 hotfix",
    "word": "error TODO timeout user name count value login version status ready nightly id warning config hello",
    "password": "hunter2 Passw0rd! s3cret changeme toor",
    "glob": "*.log *.py *.conf *.txt *.bak *.tmp core.* *.json",
    "port": "80 443 8080 5432 3000 4444 9001 1337 6379 9090",
    "small": "1 2 3 4 5 7 9",
}

VOCABULARY: dict[str, tuple[str, ...]] = {name: tuple(values.split()) for name, values in _PLAIN.items()}


def _ip(rng: Random) -> str:
    network = rng.choice(["10.0.{}.{}", "192.168.{}.{}", "203.0.113.{1}", "198.51.100.{1}", "172.16.{}.{}"])
    return network.format(rng.randint(0, 250), rng.randint(1, 250))


def _base64(rng: Random) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(rng.choices(alphabet, k=4 * rng.randint(5, 20) - 1)) + "="


GENERATED = {
    "n": lambda rng: str(rng.choice([5, 10, 20, 50, 100, 200, 500, 1000, 1024, rng.randint(2, 9999)])),
    "pid": lambda rng: str(rng.randint(100, 65000)),
    "hex": lambda rng: f"{rng.getrandbits(48):012x}",
    "ip": _ip,
    "b64": _base64,
}


def slot_names() -> set[str]:
    """The names that a template may use between braces, besides `danger`."""
    return set(VOCABULARY) | set(GENERATED)


def fill(name: str, rng: Random) -> str:
    """One value of the slot `name`."""
    generator = GENERATED.get(name)
    return generator(rng) if generator else rng.choice(VOCABULARY[name])
