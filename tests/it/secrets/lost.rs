//! Files with secrets that people commonly have, each with a name and a text. All of them are invented.

/// Joins a token here, so that repository scanners do not take it for a real one.
fn token(start: &str, rest: &str) -> String {
    format!("{start}{rest}")
}

const BASE64: &str = "qXv7ZJ3m1kYd9tRw5uNhGc2oLpSaEbTf8KiVxQyMzDn4WrUj6HsBgPlCeAiOv0Zt";

/// Lines of base64, as in key files.
fn body(start: &str) -> String {
    format!("{start}{}\n{BASE64}\n{BASE64}\n{}\n", &BASE64[start.len()..], &BASE64[..40])
}

pub(crate) fn lost() -> Vec<(&'static str, String)> {
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let bare: &[(&str, &str)] = &[
        ("chrome", "name,url,username,password,note\nBank,https://bank.example/,ann,letmein,\n"),
        (
            "firefox",
            "\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\",\"guid\",\"timeCreated\",\"timeLastUsed\",\"timePasswordChanged\"\n\"https://bank.example\",\"ann\",\"letmein\",,\"https://bank.example\",\"{1}\",\"1\",\"1\",\"1\"\n",
        ),
        (
            "bitwarden",
            "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,Bank,,,0,https://bank.example,ann,letmein,\n",
        ),
        (
            "lastpass",
            "url,username,password,totp,extra,name,grouping,fav\nhttps://bank.example,ann,letmein,,,Bank,,0\n",
        ),
        (
            "1password",
            "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nBank,https://bank.example,ann,letmein,,false,false,,\n",
        ),
        (
            "keepass",
            "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\r\n\"Bank\",\"ann\",\"letmein\",\"https://bank.example\",\"\"\r\n",
        ),
        (
            "keepass 2",
            "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\"\n\"Root\",\"Bank\",\"ann\",\"let,me in\",\"\",\"\"\n",
        ),
        (
            "dashlane, cards",
            "type,account_name,account_holder,cc_number,code,expiration_month,expiration_year,routing_number,account_number,country,issuing_bank,note,name\ncredit_card,,Ann,4539148803436467,842,7,2029,,,US,,,Visa\n",
        ),
        (
            "zoho vault",
            "Password Name,Description,Password URL,SecretData,Notes,CustomData,Tags,Classification,Favorite,login_totp,Folder Name\nBank,,https://bank.example,letmein99,,,,E,false,,\n",
        ),
        (
            "password safe, whose last cells are empty",
            "Group/Title\tUsername\tPassword\tTwo Factor Key\tURL\tAutoType\tCreated Time\nBank\tann\tletmein99\t\thttps://bank.example\t\t\n",
        ),
        (
            "a table with tabs, whose first cell is empty",
            "Group\tTitle\tUsername\tPassword\n\tBank\tann\tletmein99\n",
        ),
        ("msecure", "Bank|7,Login,,,Website|2|https://bank.example,Username|7|ann,Password|8|letmein99\n"),
        (
            "enpass",
            "{\"items\":[{\"title\":\"Bank\",\"fields\":[{\"label\":\"Password\",\"sensitive\":1,\"type\":\"password\",\"value\":\"letmein99\"}]}]}",
        ),
        ("safari, another order and delimiter", "Passwort;Titel;Benutzername\nletmein;Bank;ann\n"),
        ("a table with tabs", "site\tuser\tpassword\nbank\tann\tletmein\n"),
        (
            "a table in Markdown",
            "# Mine\n\n| Site | User | Password |\n|---|---|---|\n| bank | ann | letmein |\n",
        ),
        ("a Chinese table", "网站,用户名,密码\n银行,ann,letmein\n"),
        ("a note", "Wi-Fi upstairs\n\npassword: hunter2-Prod99\n"),
        ("a note of a login", "Bank\nlogin: ann\npassword: letmein\n"),
        ("a note in German", "Bank\nBenutzer: ann\nPasswort: Sommer2024\n"),
        ("a note in Chinese", "银行\n密码：sommer2024\n"),
        ("passwd=", "host=db\npasswd=Tr0ub4dor\nport=3306 # local\n"),
        ("pwd", "the db\npwd = 'correct#horse'\n"),
        ("my.cnf", "[client]\nuser = ann\npassword = \"Tr0ub4dor&3\"\n"),
        ("yaml", "db:\n  user: ann\n  password: \"Tr0ub4dor&3\"\n"),
        ("json", "{\"host\": \"db\", \"dbPassword\": \"Tr0ub4dor&3\"}"),
        ("php", "<?php\ndefine('DB_PASSWORD', 'x');\n$db['password'] = 'Tr0ub4dor3';\n"),
        ("properties", "spring.datasource.username=ann\nspring.datasource.password=Tr0ub4dor\n"),
        (
            "xml",
            "settings\n<server><id>x</id><username>ann</username><password>Tr0ub4dor3</password></server>\n",
        ),
        (
            "kubeconfig",
            "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- name: admin\n  user:\n    username: admin\n    password: letmein\n",
        ),
        (
            "kubernetes secret",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  pw: bGV0bWVpbg==\n",
        ),
        (".pgpass", "db.example.com:5432:shop:ann:letmein\n"),
        (".netrc", "machine api.example.com\n  login ann\n  password letmein\n"),
        (".git-credentials", "https://ann:letmein42@git.example.com\n"),
        ("docker", "{\"auths\": {\"registry.example.com\": {\"auth\": \"YW5uOmxldG1laW4=\"}}}"),
        ("database link", "# prod\nDATABASE = postgresql+psycopg://ann:l3tmein@db.example.com:5432/shop\n"),
        ("redis link", "cache at redis://:l3tmein@cache.example.com:6379/0 since May\n"),
        ("dsn", "Server=db.example.com;Database=shop;User Id=ann;Password=letmein;\n"),
        ("jdbc", "jdbc:mysql://db.example.com/shop?user=ann&password=letmein\n"),
        (
            "cookies.txt",
            "# Netscape HTTP Cookie File\n.example.com\tTRUE\t/\tTRUE\t1799999999\tsid\ta1b2c3d4e5\n",
        ),
        ("htpasswd, bcrypt", "ann:$2y$05$abcdefghijklmnopqrstuuV1E2hQn4r5s6t7u8v9w0x1y2z3A4B5C\n"),
        ("htpasswd, apr1", "ann:$apr1$x1y2z3a4$abcdefghijklmnopqrstu.\n"),
        ("htpasswd, SHA", "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"),
        ("htpasswd, crypt", "ann:rl9FTPSx1aT2E\nbob:Zk3QwErTy0UiO\n"),
        ("shadow", "root:$y$j9T$abcdefghijk$0123456789abcdefghijklmnopq:19000:0:99999:7:::\n"),
        ("windows hashes", "Ann:1001:aad3b435b51404eeaad3b435b51404ee:31d6cfe0d16ae931b73c59d7e0c089c0:::\n"),
        (
            "OpenVPN",
            "#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN OpenVPN Static key V1-----\n6acef03f62675b4b1bbd03e53b187727\n",
        ),
        (
            "WireGuard",
            "[Interface]\nAddress = 10.0.0.2/32\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
        ),
        ("PuTTY", "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n"),
        ("seed phrase", "ritual velvet orbit lumber cactus fatal nephew tiger quick wasp oxygen dune\n"),
        (
            "seed phrase, a test vector",
            "legal winner thank year wave sausage worth useful legal winner thank yellow\n",
        ),
        (
            "seed phrase, numbered",
            "1. ritual\n2. velvet\n3. orbit\n4. lumber\n5. cactus\n6. fatal\n7. nephew\n8. tiger\n9. quick\n10. wasp\n11. oxygen\n12. dune\n",
        ),
        ("Wi-Fi", "network={\n  ssid=\"home\"\n  psk=\"letmein-please\"\n}\n"),
        (
            "Wi-Fi of Windows",
            "profile\n<sharedKey><keyType>passPhrase</keyType><keyMaterial>letmein</keyMaterial></sharedKey>\n",
        ),
        ("Wi-Fi as a code", "WIFI:T:WPA;S:home;P:letmein-please;;\n"),
        (
            ".rdp",
            "full address:s:host\nusername:s:ann\npassword 51:b:01000000D08C9DDF0115D1118C7A00C04FC297EB\n",
        ),
        (
            ".reg",
            "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Winlogon]\r\n\"DefaultPassword\"=\"letmein\"\r\n",
        ),
        ("a list of logins", "ann@example.com:letmein\nbob@example.com:swordfish\n"),
        ("an .env with a comment", "# shop\nSHOP_NAME=My shop\nDB_PASSWORD=letmein\nnot a setting\n"),
        ("one-time passwords", "otpauth://totp/Bank:ann?secret=JBSWY3DPEHPK3PXP&issuer=Bank\n"),
        ("curl", "curl -s -u ann:Tr0ub4dor3 https://api.example.com/v1\n"),
        ("my.cnf, a word", "[client]\nuser=ann\npassword=letmein\n"),
        (
            "login in JSON",
            "{\"users\": [{\"username\": \"ann\", \"active\": true, \"password\": \"letmein\"}]}",
        ),
        (
            "recovery codes",
            "Recovery codes of the shop:\n1. a1b2c-d3e4f\n2. g5h6i-j7k8l\n3. m9n0o-p1q2r\n4. s3t4u-v5w6x\n",
        ),
        ("cookie header", "GET / HTTP/1.1\nCookie: theme=dark; sessionid=a1b2c3d4e5f6a7b8c9d0\n"),
        ("pypirc", "[distutils]\nindex-servers = pypi\n\n[pypi]\nusername = ann\npassword = letmein\n"),
        ("mysql", "mysqldump -h db -u ann -pTr0ub4dor shop > shop.sql\n"),
        ("ansible", "$ANSIBLE_VAULT;1.1;AES256\n62313365396662343061393464336163\n"),
    ];
    let made = [
        (
            "jwk",
            format!(
                "{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{0}\",\"y\":\"{0}\",\"d\":\"{0}\"}}",
                &BASE64[..43]
            ),
        ),
        (
            "jwks, d first",
            format!(
                "{{\"keys\":[{{\"d\":\"{0}\",\"n\":\"{0}\",\"e\":\"AQAB\",\"kty\":\"RSA\"}}]}}",
                &BASE64[..43]
            ),
        ),
        (
            "django",
            "DEBUG = True\nSECRET_KEY = 'django-insecure-8#k2(w!x_0v&p5@z9r+e^t3y$u1i-o4a6s7d'\n".to_owned(),
        ),
        (
            "azure",
            format!(
                "DefaultEndpointsProtocol=https;AccountName=shop;{}{BASE64}{}==;EndpointSuffix=core.windows.net\n",
                "AccountKey=",
                &BASE64[..22]
            ),
        ),
        ("sk-", token("key for the bot: sk-", &BASE64[..48])),
        ("sk-ant", token("sk-ant-api03-", BASE64)),
        ("sendgrid", format!("{}{}.{}", "SG.", &BASE64[..22], &BASE64[..43])),
        ("rk_live", token("rk_live_", &BASE64[..24])),
        ("sk_live", token("sk_live_", &BASE64[..24])),
        ("aws id", token("AKIA", "Q3EGRZJ7WLNBTM5X")),
        ("aws secret", format!("aws_secret_access_key = {}\n", &BASE64[..40])),
        ("google", token("AIza", &BASE64[..35])),
        ("slack", token("xoxb-", "123456789012-1234567890123-abcdefghijklmnopqrstuvwx")),
        ("github", token("ghp_", &BASE64[..36])),
        ("github fine", token("github_pat_", &BASE64[..60])),
        ("gitlab", token("glpat-", &BASE64[..20])),
        ("npm", token("//registry.example.com/:_authToken=npm_", &BASE64[..36])),
        ("hugging face", token("hf_", &BASE64[..34])),
        ("jwt", format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}", &BASE64[..43])),
        ("bearer", format!("Authorization: Bearer {}\n", &BASE64[..40])),
        ("named token", format!("const apiToken = \"{}\";\n", &BASE64[..32])),
        ("named key in hex", format!("encryption_key: {hex}\n")),
        ("a key of no particular name", format!("MyServiceKey = \"{}\"\n", &BASE64[..40])),
        ("pkcs1 body", body("MIIEpAIBAAKCAQEA")),
        ("pkcs8 body", body("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ")),
        ("sec1 body", body("MHcCAQEEI")),
        ("pkcs8 ed25519 body", body("MC4CAQAwBQYDK2VwBCIEI")),
        ("openssh body", body("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ")),
        (
            "pem",
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n",
                body("MIIEpAIBAAKCAQEA")
            ),
        ),
        ("openssh", format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}", body("b3BlbnNzaC1rZXktdjE"))),
        ("gpg", format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{}", body("lQVYBG"))),
        ("age", token("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE6M")),
        (
            "gcp",
            format!(
                "{{\"type\": \"service_account\", \"private_key_id\": \"{}\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIE\"}}",
                &hex[..40]
            ),
        ),
        (
            "sas",
            format!("https://shop.blob.core.windows.net/c?sv=2022-11-02&ss=b&sig={}%3D\n", &BASE64[..43]),
        ),
    ];
    let bare = bare.iter().map(|(name, text)| (*name, (*text).to_owned()));
    bare.chain(made).collect()
}
