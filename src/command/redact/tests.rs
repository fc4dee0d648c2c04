use super::*;
use crate::domain::Dialect;

fn redacted(line: &str) -> String {
    redact(&parse(line, Dialect::Bash))
}

#[test]
fn every_shape_compiles() {
    assert_eq!(SHAPE_SET.len(), SHAPES.len());
    assert!(SHAPE_LIST.iter().all(Option::is_some));
}

#[test]
fn secrets_are_masked_and_the_rest_stays() {
    for (line, expected) in [
        ("mysql -uroot -phunter2 db", "mysql -uroot -p[redacted] db"),
        (
            "mysqldump --password=hunter2 db | gzip",
            "mysqldump --password=[redacted] db | gzip",
        ),
        ("app --password 'a b;c' run", "app --password '[redacted]' run"),
        ("curl -u bob:hunter2 https://x/", "curl -u bob:[redacted] https://x/"),
        ("curl https://bob:hunter2@x/y", "curl https://bob:[redacted]@x/y"),
        (
            "curl -H 'Authorization: Bearer abcdef123456' x",
            "curl -H 'Authorization: Bearer [redacted]' x",
        ),
        ("export API_TOKEN=abc123", "export API_TOKEN=[redacted]"),
        ("DB_PASSWORD=\"x y\" ./run", "DB_PASSWORD=\"[redacted]\" ./run"),
        ("PGPASSWORD=hunter2 psql -h db", "PGPASSWORD=[redacted] psql -h db"),
        ("sshpass -p hunter2 ssh h ls", "sshpass -p [redacted] ssh h ls"),
        ("sshpass -phunter2 ssh h ls", "sshpass -p[redacted] ssh h ls"),
        (
            "echo hunter2 | passwd --stdin bob",
            "echo [redacted] | passwd --stdin bob",
        ),
        (
            "echo 'bob:hunter2' | sudo chpasswd",
            "echo '[redacted]' | sudo chpasswd",
        ),
        ("docker login -u bob -p hunter2", "docker login -u bob -p [redacted]"),
        (
            "aws configure set x AKIAABCDEFGHIJKLMNOP",
            "aws configure set x [redacted]",
        ),
        ("sh -c 'mysql -phunter2 db'", "sh -c 'mysql -p[redacted] db'"),
        ("sudo env TOKEN=abc123 ./run", "sudo env TOKEN=[redacted] ./run"),
        (
            "psql -c \"ALTER USER u PASSWORD 'x'\"",
            "psql -c \"ALTER USER u PASSWORD '[redacted]'\"",
        ),
        (
            "mysql -e \"CREATE USER u IDENTIFIED BY 'hunter2'\"",
            "mysql -e \"CREATE USER u IDENTIFIED BY '[redacted]'\"",
        ),
        (
            "openssl rsa -passin pass:hunter2 -in k",
            "openssl rsa -passin pass:[redacted] -in k",
        ),
        (
            "curl -d '{\"password\": \"hunter2\"}' x",
            "curl -d '{\"password\": \"[redacted]\"}' x",
        ),
    ] {
        assert_eq!(redacted(line), expected, "{line}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for line in [
        "ls -la /etc",
        "mkdir -p src/token",
        "docker run -p 80:80 nginx",
        "cat /run/secrets/token",
        "kubectl get secret db -o yaml",
        "tar -pxf a.tar",
        "docker login --password-stdin reg",
        "app --password-file /run/x",
        "mysql -p db",
        "docker commit -p alice web image",
        "echo 'bob ALL=(ALL) NOPASSWD: ALL'",
        "aws x --idempotency-token 12345",
    ] {
        assert_eq!(redacted(line), line);
    }
}

#[test]
fn operators_substitutions_and_command_words_survive() {
    for (line, expected) in [
        ("app --token=$(rm -rf /) x", "app --token=$(rm -rf /) x"),
        (
            "app --token=a$(rm x)b; ls",
            "app --token=[redacted]$(rm x)[redacted]; ls",
        ),
        ("X_TOKEN=`rm x` cmd", "X_TOKEN=`rm x` cmd"),
        ("PASSWORD=rm; $PASSWORD -rf /", "PASSWORD=rm; $PASSWORD -rf /"),
        ("app --password \"$PW\"", "app --password \"$PW\""),
    ] {
        assert_eq!(redacted(line), expected, "{line}");
    }
}

#[test]
fn a_text_that_is_not_understood_is_redacted_too() {
    assert_eq!(redacted("if ( ; mysql -phunter2 db"), "if ( ; mysql -p[redacted] db");
}

#[test]
fn what_stands_in_a_programs_place_and_names_none_is_redacted() {
    for (line, expected) in [
        ("if --password=00aA0a", "if --password=[redacted]"),
        ("if --token 00aA0a", "if --token [redacted]"),
        ("if 'db_password=00aA0a x'", "if 'db_password=[redacted]'"),
        ("nice 'db_password=00aA0a x'", "nice 'db_password=[redacted]'"),
        ("ls; do --secret 00aA0a; fi", "ls; do --secret [redacted]; fi"),
    ] {
        assert_eq!(redacted(line), expected);
        assert_eq!(
            programs(&parse(expected, Dialect::Bash)),
            programs(&parse(line, Dialect::Bash))
        );
    }
}

/// Every place where a secret may stand; `HIDDEN` is one.
const PLACES: &[&str] = &[
    // Fed.
    "chpasswd <<< root:HIDDEN",
    "sudo chpasswd <<< 'root:HIDDEN'",
    "chpasswd <<E\nroot:HIDDEN\nbob:HIDDEN\nE",
    "cat <<'E' | sudo chpasswd\nroot:HIDDEN\nE",
    "passwd --stdin x <<< HIDDEN",
    "passwd x <<E\nHIDDEN\nHIDDEN\nE",
    "sudo -S apt update <<E\nHIDDEN\nE",
    "sudo -S apt update <<-'E'\n\tHIDDEN\n\tE",
    "sudo -kS ls <<< HIDDEN",
    "sudo -kS ls <<<\"HIDDEN\"",
    "echo HIDDEN | sudo --stdin ls",
    "echo -HIDDEN | sudo -S ls",
    "printf '%s\\n' HIDDEN | sudo -pS -S ls",
    "cryptsetup open /dev/sda x <<< HIDDEN",
    "gh auth login --with-token <<< HIDDEN",
    "docker login --password-stdin -u u reg <<< HIDDEN",
    "docker secret create db - <<< HIDDEN",
    "kinit bob <<< HIDDEN",
    "htpasswd -i f u <<< HIDDEN",
    "read -s pw <<< HIDDEN",
    "ansible-vault encrypt_string <<< HIDDEN",
    // Arguments.
    "htpasswd -b f u HIDDEN",
    "htpasswd -nbB u HIDDEN",
    "aws configure set aws_secret_access_key HIDDEN --profile x",
    "psql -c \"ALTER ROLE u WITH ENCRYPTED PASSWORD 'HIDDEN'\"",
    "psql -c 'ALTER USER u PASSWORD '\\''HIDDEN'\\'",
    "psql <<E\nALTER USER u PASSWORD 'HIDDEN';\nE",
    "az login -u u -p HIDDEN",
    "openssl enc -aes-256-cbc -k HIDDEN -in f",
    "openssl rsa -passin pass:HIDDEN -in k",
    "openssl passwd -6 HIDDEN",
    "vault login HIDDEN",
    "vault login -method=userpass username=u password=HIDDEN",
    "redis-cli AUTH HIDDEN",
    "redis-cli auth user HIDDEN",
    "redis-cli -a HIDDEN ping",
    "redis-cli CONFIG SET requirepass HIDDEN",
    "curl -u user:HIDDEN x",
    "curl -sku user:HIDDEN x",
    "curl --user user:HIDDEN x",
    "curl --proxy-user=user:HIDDEN x",
    "curl -H 'Authorization: Bearer HIDDEN' x",
    "curl -H \"X-Api-Key: HIDDEN\" x",
    "wget --password HIDDEN x",
    "wget --http-password=HIDDEN x",
    "sshpass -p HIDDEN ssh h",
    "mysql -u u -pHIDDEN db",
    "PGPASSWORD=HIDDEN psql",
    "docker login -u u -p HIDDEN reg",
    "docker login -u u -pHIDDEN reg",
    "helm registry login -u u -p HIDDEN reg",
    "git remote add o https://u:HIDDEN@h/r",
    "ldapsearch -D cn=x -w HIDDEN",
    "ldappasswd -s HIDDEN cn=x",
    "smbclient //h/s -U u%HIDDEN",
    "smbclient //h/s -Uu%HIDDEN",
    "ansible-vault encrypt_string --vault-id @prompt HIDDEN",
    "kubectl create secret generic s --from-literal=a=HIDDEN",
    "kubectl create secret generic s --from-literal a=HIDDEN",
    "kubectl create secret docker-registry s --docker-password=HIDDEN",
    "export X_TOKEN=HIDDEN",
    "AWS_SECRET_ACCESS_KEY=HIDDEN aws s3 ls",
    "gpg --batch --passphrase HIDDEN -c f",
    "snmpwalk -v3 -A HIDDEN h",
    "xfreerdp /u:u /p:HIDDEN /v:h",
    // What betrays itself.
    "echo AKIAABCDEFGHIJKLMNOP",
    "echo ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "echo xoxb-0123456789-HIDDENHIDDEN",
    "echo xapp-1-0123456789-HIDDENHIDDEN",
    "echo eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.HIDDENHIDDEN",
    "printf '%s' '-----BEGIN RSA PRIVATE KEY-----\nMIIEHIDDEN\nHIDDEN==\n-----END RSA PRIVATE KEY-----'",
];

#[test]
fn a_secret_is_masked_wherever_it_stands_and_no_program_is() {
    for place in PLACES {
        let line = place.replace("HIDDEN", "hunter2hunter2");
        let script = parse(&line, Dialect::Bash);
        let text = redact(&script);
        assert!(text.contains(MASK) && !text.contains("hunter2"), "{line}: {text}");
        assert_eq!(programs(&parse(&text, Dialect::Bash)), programs(&script), "{text}");
    }
}

#[test]
fn what_is_fed_keeps_its_lines_its_expansions_and_what_is_run() {
    for (line, expected) in [
        (
            "chpasswd <<E\nroot:x'$(rm y)'z\nE\nls",
            "chpasswd <<E\n[redacted]$(rm y)[redacted]\nE\nls",
        ),
        (
            "chpasswd <<'E'\nroot:a$b\nu:x\nE\nls",
            "chpasswd <<'E'\n[redacted]\n[redacted]\nE\nls",
        ),
        ("passwd x <<< $(pass show x); ls", "passwd x <<< $(pass show x); ls"),
        (
            "sudo -S tee f <<E\npw\nport 80\nE",
            "sudo -S tee f <<E\n[redacted]\nport 80\nE",
        ),
        ("sudo -S sh <<E\nrm -rf /\nE", "sudo -S sh <<E\nrm -rf /\nE"),
        ("su - bob <<E\nrm -rf /\nE", "su - bob <<E\nrm -rf /\nE"),
        ("sudo -S su - bob <<E\nrm -rf /\nE", "sudo -S su - bob <<E\nrm -rf /\nE"),
        ("sudo -Si <<E\nrm -rf /\nE", "sudo -Si <<E\nrm -rf /\nE"),
        ("su bob -c id <<< pw", "su bob -c id <<< [redacted]"),
        (
            "echo 'enter the password '; rm -rf /tmp/'x'",
            "echo 'enter the password '; rm -rf /tmp/'x'",
        ),
        (
            "echo path | git hash-object --stdin",
            "echo path | git hash-object --stdin",
        ),
        ("echo a b | read key value", "echo a b | read key value"),
        ("sudo tee f <<< text", "sudo tee f <<< text"),
        ("sudo -pS tee f <<< text", "sudo -pS tee f <<< text"),
    ] {
        assert_eq!(redacted(line), expected, "{line}");
    }
}

#[test]
fn what_is_fed_and_may_run_stays_in_a_long_text() {
    let line = format!("echo 'rm -rf /' | sudo -S sh # {}", "x".repeat(MAX_RETRIED));
    assert_eq!(redacted(&line), line);
}
