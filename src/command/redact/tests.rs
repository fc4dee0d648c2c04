use super::*;
use crate::domain::Dialect;

fn shown(line: &str) -> String {
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
        assert_eq!(shown(line), expected, "{line}");
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
        "curl -b cookies.txt -c cookies.txt x",
        "curl -H 'Accept: text/html' -H 'X-Request-Id: 12345678' x",
        "curl -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' x",
        "vault kv put secret/db @data.json",
        "vault kv put secret/db key=@data.json",
        "vault kv get -field=value secret/db",
        "net use z: //h/s",
        "echo 'enter the password: '",
        "echo \"your password 'is\" old; rm -rf /tmp/'x'",
        "psql -c \"ALTER USER u PASSWORD '$PW'\"",
    ] {
        assert_eq!(shown(line), line);
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
        (
            "psql -c \"ALTER USER u PASSWORD 'a b$(rm x)c'; SELECT 1\"",
            "psql -c \"ALTER USER u PASSWORD '[redacted]$(rm x)[redacted]'; SELECT 1\"",
        ),
        (
            "sh -c \"echo 'the password '; rm -rf '/x'\"",
            "sh -c \"echo 'the password '; rm -rf '/x'\"",
        ),
        (
            "curl -H \"Cookie: a=$(rm x)\" h && ls",
            "curl -H \"Cookie: [redacted]$(rm x)\" h && ls",
        ),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn a_text_that_is_not_understood_is_redacted_too() {
    assert_eq!(shown("if ( ; mysql -phunter2 db"), "if ( ; mysql -p[redacted] db");
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
        assert_eq!(shown(line), expected);
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
    "psql -c \"ALTER USER u PASSWORD 'HIDDEN a b'\"",
    "psql -c 'ALTER USER u PASSWORD '\\''HIDDEN; a b'\\'' VALID UNTIL x'",
    "psql -c 'ALTER USER u PASSWORD '\"'\"'a HIDDEN'\"'\"",
    "psql <<E\nALTER USER u PASSWORD 'a HIDDEN & b';\nE",
    "psql <<'E'\nALTER USER u PASSWORD 'a HIDDEN';\nE",
    "psql <<< \"ALTER USER u PASSWORD 'a HIDDEN'\"",
    "mysql -e \"CREATE USER u IDENTIFIED BY 'a HIDDEN'\"",
    "mysql -e 'CREATE USER u IDENTIFIED WITH caching_sha2_password BY \"a HIDDEN\"'",
    "mysql -e \"SET PASSWORD = 'a HIDDEN'\"",
    "ssh db \"mysql -e \\\"ALTER USER u IDENTIFIED BY 'a HIDDEN'\\\"\"",
    "vault kv put secret/db user=u pw=HIDDEN",
    "vault kv patch -mount=secret db pw=HIDDEN",
    "vault write auth/userpass/users/u pw=HIDDEN",
    "vault login -address=https://v HIDDEN",
    "curl -b 'session=HIDDEN; a=b' x",
    "curl -sb session=HIDDEN x",
    "curl --cookie session=HIDDEN x",
    "curl --cookie='a=b; session=HIDDEN' x",
    "curl -H 'Cookie: a=b; session=HIDDEN' x",
    "curl -H'Cookie: session=HIDDEN' x",
    "curl -H \"Cookie: session=HIDDEN\" x",
    "curl --header 'PRIVATE-TOKEN: HIDDEN' x",
    "curl -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=HIDDEN' x",
    "curl -H 'Proxy-Authorization: Basic HIDDEN' x",
    "wget --header='Authorization: Bearer HIDDEN' x",
    "wget --header='X-Auth-Key: HIDDEN' x",
    "mongo -p HIDDEN x",
    "mongodump -pHIDDEN",
    "net use z: //h/s HIDDEN /user:u",
    "net ads join -U admin%HIDDEN",
    "az storage blob list --account-key HIDDEN",
    "git clone https://u:HIDDEN@h/r",
    "openssl pkcs12 -export -passout pass:HIDDEN",
    // What betrays itself.
    "echo AKIAABCDEFGHIJKLMNOP",
    "echo ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "echo xoxb-0123456789-HIDDENHIDDEN",
    "echo xapp-1-0123456789-HIDDENHIDDEN",
    "echo eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.HIDDENHIDDEN",
    "echo rk_live_0123456789HIDDENHIDDEN",
    "echo whsec_0123456789HIDDENHIDDEN",
    "echo AIzaSyA0123456789abcdefghij0123456789ABC",
    "echo ya29.a0123456789HIDDENHIDDEN",
    "echo GOCSPX-0123456789HIDDENHIDDEN",
    "az x 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=HIDDEN0123456789HIDDEN0123456789HIDDEN0123456789=='",
    "curl 'https://a.blob.core.windows.net/c?sv=1&sig=HIDDEN0123456789%3D'",
    "echo abc8Q~0123456789HIDDENHIDDEN0123456789",
    "echo SG.0123456789abcdefHIDDEN.0123456789HIDDEN",
    "echo hf_0123456789HIDDENHIDDEN0123456789",
    "echo dckr_pat_0123456789HIDDEN0123456789HIDDEN",
    "cat > k <<'E'\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlHIDDEN\n-----END OPENSSH PRIVATE KEY-----\nE",
    "cat > k <<E\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQHIDDEN\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\nE",
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
fn a_program_that_looks_like_a_secret_spares_no_other() {
    for (line, expected) in [
        (
            "curl https://bob:hunter2@x/; 'a Bearer abcdefgh' https://u:p@h/",
            "curl https://bob:[redacted]@x/; 'a Bearer abcdefgh' https://u:[redacted]@h/",
        ),
        (
            "'a Bearer abcdefgh' y; mysql -phunter2 db; curl -H 'Authorization: Bearer abcdef123456' z",
            "'a Bearer abcdefgh' y; mysql -p[redacted] db; curl -H 'Authorization: Bearer [redacted]' z",
        ),
    ] {
        assert_eq!(shown(line), expected, "{line}");
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
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn what_is_fed_or_quoted_and_may_run_stays_in_a_long_text() {
    for line in ["echo 'rm -rf /' | sudo -S sh", "sh -c \"echo 'the password '; rm 'x'\""] {
        let line = format!("{line} # {}", "x".repeat(MAX_RETRIED));
        assert_eq!(shown(&line), line);
    }
}

#[test]
fn every_secret_of_a_long_line_is_masked() {
    let line = "echo hunter2 | passwd --stdin x; docker login -p hunter2; curl -H 'Cookie: hunter2' h;".repeat(100);
    assert!(!shown(&line).contains("hunter2"));
}

#[test]
fn a_grammar_that_fails_unmasks_nothing() {
    let read = parse("mysql -psecret db", Dialect::Bash);
    let mut commands = read.commands.clone();
    commands.extend(parse("guessed", Dialect::Bash).commands);
    let unread = Script {
        commands,
        doubts: vec![Doubt::Unread],
        ..read
    };
    assert!(!redact(&unread).contains("secret"), "{}", redact(&unread));
}
