"""What the slots of the command templates can stand for."""

from random import Random

_PLAIN: dict[str, str] = {
    "anydir": ". .. src /etc /var/log /tmp ~ /home/alice /opt /srv/www ./docs /usr/share /var/lib/docker /proc/sys",
    "anyfile": "/etc/hosts README.md /var/log/syslog ./run.sh /usr/bin/env ~/.profile notes.txt",
    "reldir": "src docs ./lib tests ./public app/config vendor scripts . web/static ./data charts/api",
    "relfile": "CHANGES.md notes.txt src/main.py ./config.yml app.js data.csv Makefile todo.md ./run.sh lib/util.rs "
    "index.html package.json report.txt values.yaml server.log test/fixtures.json",
    "relname": "kestrel web2 api-v2 report backup deploy worker cache release demo blog shop billing search frontend "
    "metrics invoice-2024 old site image-7 queue",
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
    "device": "/dev/sdk /dev/sdm /dev/nvme2n1 /dev/vdd /dev/xvdh /dev/mmcblk1 /dev/hdc /dev/nvme1n1",
    "partition": "/dev/sdc1 /dev/sdf2 /dev/nvme2n1p1 /dev/vda3 /dev/xvdf1 /dev/mapper/vg0-root /dev/md0 /dev/sdc",
    "mount": "/mnt /mnt/data /media/usb /srv /data /home /mnt/nas /backup",
    "user": "anna bob carol deploy svc-shop jenkins ubuntu postgres git eve mallory admin",
    "group": "dev-team ops web staff build data-team",
    "host": "web-1 db01 app.internal bastion node-3 10.0.0.12 staging.example.com host.example.org cache-2 worker-4",
    "domain": "example.com www.example.org api.example.net shop.example.com",
    "url": "https://example.com https://api.example.com/v1/users https://downloads.example.org "
    "https://github.com/example/project https://registry.example.net http://intranet.local",
    "evilurl": "http://203.0.113.7 http://198.51.100.23:8080/p https://evil.example/x http://x0.example "
    "http://192.0.2.66/a https://paste.example/raw/Xy12 http://203.0.113.9:4444",
    "evildomain": "evil.example t.x0.example dns.exfil.example",
    "table": "users orders sessions events audit_log payments customers invoices products",
    "db": "shop production app_db analytics wordpress billing test staging",
    "image": "nginx:1.27 alpine:3.20 ubuntu:22.04 registry.example.net/app:1.4 redis:7 python:3.12-slim busybox",
    "container": "web-3 db_1 app-redis-1 8f3c2a1b9d0e worker proxy",
    "pod": "web-6d4cf56db6-x7v2p api-0 worker-5 nginx debug-shell",
    "namespace": "shop production staging kube-system monitoring team-a",
    "bucket": "kestrel-backups assets-prod-7 kestrel-logs data-lake-eu nightly-dumps",
    "instance": "i-0abc12345def67890 i-1234567890abcdef0 i-0f00ba4",
    "package": "nginx-extras curl vim-nox btop postgresql-15 redis-server git-lfs docker.io tmux jq python3-pip "
    "openjdk-17-jre strace",
    "pypkg": "requests flask numpy django pandas pytest boto3 black",
    "npmpkg": "lodash express react typescript eslint ripgrep webpack left-pad",
    "tool": "ls git python3 docker ssh tar make curl grep sed awk node rsync systemctl",
    "service": "nginx postgresql mysql redis apache2 docker cron php8.2-fpm haproxy kubelet sshd prometheus rabbitmq",
    "appservice": "nginx myapp gunicorn celery php8.2-fpm grafana-server tomcat9 worker@1 node_exporter",
    "coreservice": "sshd networking docker postgresql mysql systemd-networkd kubelet mariadb NetworkManager",
    "module": "nvidia kvm usb_storage br_netfilter overlay",
    "branch": "trunk feature/basket fix-123 develop release/1.2 hotfix",
    "word": "error TODO timeout user name count value login version status ready nightly id warning config hello",
    "password": "hunter2 Passw0rd! s3cret changeme toor",
    "glob": "*.log *.py *.conf *.txt *.bak *.tmp core.* *.json",
    "port": "80 443 8080 5432 3000 4444 9001 1337 6379 9090",
    "anytool": "aa-exec ab acr agetty alpine ansible-playbook aoss apache2ctl apport-cli aria2c arj aspell asterisk "
    "autoconf autoheader bc bconsole bpftrace bridge bundle byebug bzip2 cabal capsh cdist cdrecord certbot "
    "check_log choom cmake cobc codex cowsay cowthink cpan cpio cpulimit crash csvtool cupsfilter dc debugfs "
    "dhclient dialog dnsmasq dos2unix dosbox dotnet dstat dvips easy_install eb efax elvish enscript eqn espeak "
    "exiftool facter fastfetch ffmpeg fping flock forge fzf gcloud gdb genisoimage getent ghostscript ginsh gnuplot "
    "gimp git grc groff gtester guile gzip hping3 iftop install ispell java jjs joe jq julia kubectl ksshell latex "
    "latexmk logsave lua lualatex luatex m4 mail make mawk micro minicom mosquitto mtr multitime mutt mypy nasm "
    "ncdu ncftp neofetch nft nginx nroff nsenter ntpdate octave opkg openvpn openvt pandoc pax pdb pdflatex pexec "
    "pg perf pic pip pico pkg posh pre-commit procmail psad psftp ptx puppet pwsh pyright qpdf rake ranger readelf "
    "redis restic rlwrap rpm rpmdb rsnapshot rtorrent run-mailcap rustup rview sash screen scrot sendmail service "
    "setarch setfacl slsh smbclient snap socat soelim softlimit sshfs ssh-agent ssh-keygen start-stop-daemon "
    "stunnel ssh svn systemctl tasksh task tbl tclsh tdbtool telnet terraform tex timedatectl tmux top "
    "torify troff turbo uv unsquashfs uudecode valgrind varnishncsa vagrant virsh virt-install visidata volatility "
    "w3m wall watchman whiptail wireshark xdg-open xdotool xelatex xetex xmore xpad yarn yash yelp zathura zip "
    "zsoelim zypper",
    "usualtool": "acme act adb airmon alembic ansible-lint apachectl appimage argocd arduino-cli asdf atlas "
    "autorandr avrdude azcopy babel bandit bats bazel beet biome bison black bluetoothctl bower browserify buf "
    "buildah bundler bzz calibre carthage ccache cf cfssl charm chezmoi chroma circleci clang-format clang-tidy "
    "cloc cmake cocoapods codeql cointop conan consul copier cosign cppcheck croc cronic crystal csvkit "
    "ctags cups curlie cypress d2 dart dasel dbmate ddev deno detox devbox dive django-admin doctl doggo dokku "
    "doxygen drush dust dvc earthly easyrsa ebook-convert elm envsubst esbuild eslint exercism expo fastlane "
    "ffprobe firebase fisher flake8 flask flatpak flutter flyway fossa freshclam fselect gatsby gdal gitleaks "
    "gitlint glances glow gofmt gofumpt golangci-lint goreleaser gource gpg-agent gradle grafana-cli graphviz grex "
    "grpcurl gulp hadolint hatch helmfile hexyl httpie hub hugo hurl hyperfine i3status icdiff imgcat infracost "
    "ionic isort istioctl jekyll jest jetty jhipster jmeter jump jupyter k6 k9s kafkacat kamal karma kcat kdialog "
    "keepassxc-cli kompose kops kustomize lazydocker ledger leiningen lerna lilypond lint-staged litecli "
    "llvm-config locust logcli mage magento mailcatcher mdbook mdcat meson mergestat micromamba mitmproxy mkcert "
    "mkdocs mocha molecule mongoimport mprocs mustache mvn mypy mytop nest netlify newman nextflow nimble ninja "
    "nix-shell nmcli nodemon nox nx ocamlfind ollama openapi-generator osquery packer papermill parcel patchelf pdm "
    "peco perlcritic pg_isready pgbench phpstan phpunit pipdeptree plantuml playwright pmd poetry postcss powertop "
    "prettier prisma prometheus promtool protoc pulumi pyenv pylint pyinstaller qrencode quarto rails rector reflex "
    "renovate ripgrep rollup rspec rubocop ruff runc rustfmt s6-svc sam sass sbt scons sccache semgrep serverless "
    "shellcheck shfmt skaffold skopeo sops sphinx-build spin sqlfluff stack standard step storybook stow stylelint "
    "supabase surge svgo swagger swiftlint sz task telepresence tesseract tflint tig tilt tokei topgrade tox "
    "traefik trivy tsc tsx turbo twine typst unison uvicorn vagrant vale vercel vite vitest vtop vue waypoint "
    "webpack wp wrk xcodebuild xmake xo yamllint yapf yarn yq zellij zig zola zoxide",
    "shell": "/usr/bin/sh /bin/bash /usr/bin/bash sh bash /bin/dash /usr/bin/zsh",
    "dropped": "/tmp/.cache /tmp/x /tmp/run.sh /dev/shm/.d /var/tmp/.k /tmp/.u/agent /tmp/p.sh /tmp/helper /dev/shm/kw "
    "/tmp/shell.sh /tmp/payload /var/tmp/evil /tmp/task",
    "startup": "/etc/sudoers.d/x /etc/cron.d/x /root/.ssh/authorized_keys ~/.ssh/authorized_keys /etc/passwd "
    "/etc/shadow /etc/sudoers /etc/ld.so.preload /etc/profile.d/x.sh /etc/crontab /root/.bashrc "
    "/etc/systemd/system/x.service",
    "secretfile": "/etc/shadow /root/.ssh/id_rsa /etc/gshadow ~/.aws/credentials /root/.bash_history /etc/sudoers "
    "~/.ssh/id_ed25519 /home/alice/.ssh/id_rsa /root/.my.cnf ~/.kube/config /etc/ssl/private/server.key "
    "/etc/krb5.keytab /var/lib/sss/secrets/secrets.ldb /home/bob/.netrc /root/.pgpass",
    "secretdir": "~/.ssh /root /etc/ssl/private ~/.aws ~/.gnupg /home /etc ~/.mozilla ~/.kube /root/.config/gcloud",
    "runvar": "PAGER EDITOR VISUAL BROWSER MANPAGER GIT_PAGER GIT_EDITOR GIT_SSH_COMMAND GIT_SSH LESSOPEN SHELL "
    "SYSTEMD_EDITOR SUDO_ASKPASS SSH_ASKPASS BASH_ENV ENV PROMPT_COMMAND PERL5DB PYTHONSTARTUP RUBYOPT NODE_OPTIONS "
    "CC CXX LESSEDIT AUTOM4TE TEXEDIT GROFF_BIN_PATH PYTHONBROWSER CRASHPAGER",
    "preload": "LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH GCONV_PATH DYLD_INSERT_LIBRARIES OPENSSL_CONF OPENSSL_ENGINES",
    "tracefile": "/var/log/auth.log /var/log/wtmp /var/log/lastlog /var/log/secure /var/run/utmp "
    "/var/log/audit/audit.log ~/.bash_history /root/.bash_history /var/log/syslog /var/log/btmp ~/.zsh_history "
    "/var/log/messages",
    "defender": "auditd rsyslog falco osqueryd crowdstrike falcon-sensor clamav-daemon fail2ban wazuh-agent ossec "
    "apparmor firewalld ufw cbdaemon mdatp sentinelone syslog-ng snort suricata aide",
    "defenderdir": "/opt/CrowdStrike /var/ossec /etc/audit /opt/sentinelone /etc/fail2ban /etc/falco "
    "/opt/microsoft/mdatp /opt/cbdefense /etc/apparmor.d",
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
    "fds": lambda rng: rng.choice(
        ["0<&2 1>&2", "<&3 >&3 2>&3", "0>&1", "<$(tty) >$(tty) 2>$(tty)", "-i 2>&1", "</dev/tty >/dev/tty"]
    ),
}


def slot_names() -> set[str]:
    """The names that a template may use between braces, besides `danger`."""
    return set(VOCABULARY) | set(GENERATED)


def fill(name: str, rng: Random) -> str:
    """One value of the slot `name`."""
    generator = GENERATED.get(name)
    return generator(rng) if generator else rng.choice(VOCABULARY[name])
