//! The URL of a bucket for files, and the credentials for it.

use secrecy::SecretString;
use url::Url;

use super::bucket_address::{Address, Credentials, is_on_this_machine};
use super::reader::Reader;

const FILES_URL: &str = "MINIMAX_FILES_URL";
const PUBLIC_URL: &str = "MINIMAX_FILES_PUBLIC_URL";

/// The form of a legal value.
const FORM: &str = "must be like s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION";

/// The parameters that a URL may have.
const PARAMETERS: &[&str] = &["endpoint", "region", "virtual_hosts", "create_only", "credentials"];

/// What to do if there are no credentials.
const NO_CREDENTIALS: &str = "is set, and there are no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
    AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; or add \
    credentials=instance to use the role of the machine";

/// The region of servers without regions.
const ANY_REGION: &str = "us-east-1";

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// The bucket for files.
    pub(super) fn files(&mut self) -> Option<Address> {
        let public = self.get(PUBLIC_URL);
        let Some(value) = self.get(FILES_URL) else {
            if public.is_some() {
                self.warnings.push(format!("{PUBLIC_URL} has no effect without {FILES_URL}"));
            }
            return None;
        };
        let named = [self.get("AWS_REGION"), self.get("AWS_DEFAULT_REGION")];
        let parts = match Parts::read(&value) {
            Ok(parts) => parts,
            Err(problem) => {
                self.problem(FILES_URL, problem);
                return None;
            }
        };
        let region = parts.region.or_else(|| named.into_iter().flatten().next());
        let region = match (region, &parts.endpoint) {
            (Some(region), _) => region,
            (None, Some(_)) => ANY_REGION.to_owned(),
            (None, None) => {
                self.problem(
                    FILES_URL,
                    "names no region, which AWS needs; add region=REGION, or set AWS_REGION",
                );
                return None;
            }
        };
        let public_endpoint = match public.as_deref().map(endpoint).transpose() {
            Ok(public) => public,
            Err(problem) => {
                self.problem(PUBLIC_URL, problem);
                None
            }
        };
        for (setting, url) in [(FILES_URL, &parts.endpoint), (PUBLIC_URL, &public_endpoint)] {
            if url.as_ref().is_some_and(|url| url.scheme() == "http" && !is_on_this_machine(url)) {
                self.warnings.push(format!(
                    "{setting} has an http address: files cross the network unencrypted, and others on it may change them"
                ));
            }
        }
        let Some(credentials) = self.credentials(parts.instance) else {
            self.problem(FILES_URL, NO_CREDENTIALS);
            return None;
        };
        Some(Address {
            bucket: parts.bucket,
            prefix: parts.prefix,
            endpoint: parts.endpoint,
            public_endpoint,
            region,
            virtual_hosts: parts.virtual_hosts,
            create_only: parts.create_only,
            credentials,
        })
    }

    fn credentials(&self, instance: bool) -> Option<Credentials> {
        let get = |name| self.get(name);
        if instance {
            return Some(Credentials::Instance);
        }
        if let (Some(id), Some(secret)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            let token = get("AWS_SESSION_TOKEN").map(SecretString::from);
            return Some(Credentials::Key { id, secret: secret.into(), token });
        }
        if let (Some(token_file), Some(role)) = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")) {
            return Some(Credentials::WebIdentity {
                token_file,
                role,
                session: get("AWS_ROLE_SESSION_NAME"),
            });
        }
        let full = get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if let (Some(uri), Some(token_file)) = (full, get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
            return Some(Credentials::Container { uri, token_file: Some(token_file) });
        }
        let uri = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")?;
        Some(Credentials::Container { uri, token_file: None })
    }
}

/// The parts of a URL.
struct Parts {
    bucket: String,
    prefix: String,
    endpoint: Option<Url>,
    region: Option<String>,
    virtual_hosts: bool,
    create_only: bool,
    instance: bool,
}

impl Parts {
    /// The error is a sentence without its subject. It does not show the value, which may contain a secret by mistake.
    fn read(value: &str) -> Result<Self, String> {
        let url = Url::parse(value).map_err(|error| format!("is not a URL ({error}); {FORM}"))?;
        if url.scheme() != "s3" {
            return Err(format!("has another scheme than s3; {FORM}, or unset for a folder"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "has credentials in it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead. It {FORM}"
            ));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let is_legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_legal) || url.port().is_some() {
            return Err(format!("does not name a bucket (3 to 63 of a-z, 0-9, `-` and `.`); {FORM}"));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        let is_plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.=".contains(&c))
        };
        if url.fragment().is_some()
            || !prefix.is_empty() && !prefix.split('/').all(is_plain)
            || prefix.len() > 512
        {
            return Err(format!(
                "has a prefix with other characters than a-z, A-Z, 0-9, `-`, `_`, `.`, `=` and `/`; {FORM}"
            ));
        }
        let mut parts = Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            virtual_hosts: false,
            create_only: true,
            instance: false,
        };
        for (name, value) in url.query_pairs() {
            let flag = || match &*value {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("has {name}={value}; must be true or false")),
            };
            match &*name {
                "endpoint" => {
                    parts.endpoint =
                        Some(endpoint(&value).map_err(|problem| format!("has an endpoint that {problem}"))?);
                }
                "region" if !value.is_empty() => parts.region = Some(value.into_owned()),
                "region" => return Err("has an empty region; leave it out, or name one".to_owned()),
                "virtual_hosts" => parts.virtual_hosts = flag()?,
                "create_only" => parts.create_only = flag()?,
                "credentials" if value == "instance" => parts.instance = true,
                "credentials" => {
                    return Err(format!("has credentials={value}; must be instance, or left out"));
                }
                _ => {
                    return Err(format!(
                        "has the parameter `{name}`; must be one of {}",
                        PARAMETERS.join(", ")
                    ));
                }
            }
        }
        Ok(parts)
    }
}

/// The address of a server: scheme, host and port.
fn endpoint(value: &str) -> Result<Url, String> {
    const RULE: &str = "must be scheme, host and port, like https://s3.example.com:9000";
    let url = Url::parse(value).map_err(|error| format!("is not a URL ({error}); {RULE}"))?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && is_bare { Ok(url) } else { Err(RULE.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<Address>, Vec<String>, Vec<String>) {
        let lookup =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut reader = Reader::new(lookup);
        let address = reader.files();
        let problems = reader.problems.iter().map(ToString::to_string).collect();
        (address, problems, reader.warnings)
    }

    const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

    #[test]
    fn a_bucket_url_is_accepted_and_errors_about_others_show_no_secret() {
        for legal in [
            "s3://media/a/b?region=eu-central-1",
            "s3://media?endpoint=http://127.0.0.1:9000",
            "s3://me.dia/?endpoint=https://s3.example.com/&region=x&virtual_hosts=true&create_only=false",
        ] {
            let (address, problems, warnings) =
                read(&[[("MINIMAX_FILES_URL", legal)].as_slice(), &KEY].concat());
            assert!(
                address.is_some() && problems.is_empty() && warnings.is_empty(),
                "{legal}: {problems:?} {warnings:?}"
            );
            assert!(!format!("{address:?}").contains("hunter2"));
        }
        for (wrong, word) in [
            ("media", "not a URL"),
            ("gs://media", "scheme"),
            ("s3://AKID:hunter2@media", "credentials in it"),
            ("s3://", "bucket"),
            ("s3://Me_dia", "bucket"),
            ("s3://media/a%20b", "prefix"),
            ("s3://media", "region"),
            ("s3://media?region=", "region"),
            ("s3://media?endpoint=s3.example.com", "endpoint"),
            ("s3://media?endpoint=https://h/path", "endpoint"),
            ("s3://media?region=x&secret=1", "`secret`"),
            ("s3://media?region=x&create_only=maybe", "true or false"),
            ("s3://media?region=x&credentials=env", "instance"),
        ] {
            let (address, problems, _) = read(&[[("MINIMAX_FILES_URL", wrong)].as_slice(), &KEY].concat());
            let [problem] = problems.as_slice() else { panic!("{wrong}: {problems:?}") };
            assert!(address.is_none() && problem.starts_with("MINIMAX_FILES_URL "), "{problem}");
            assert!(problem.contains(word) && !problem.contains("hunter2"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn credentials_come_from_the_usual_variables_or_are_asked_for() {
        let url = ("MINIMAX_FILES_URL", "s3://media?region=x");
        let (address, problems, _) = read(&[url]);
        assert!(address.is_none() && problems[0].contains("AWS_ACCESS_KEY_ID"), "{problems:?}");
        let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn")];
        let found = read(&[[url].as_slice(), &role].concat()).0.unwrap().credentials;
        assert!(matches!(found, Credentials::WebIdentity { .. }));
        let found = read(&[url, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]).0.unwrap().credentials;
        assert!(matches!(found, Credentials::Container { token_file: None, .. }));
        let here = ("MINIMAX_FILES_URL", "s3://media?region=x&credentials=instance");
        assert!(matches!(read(&[here]).0.unwrap().credentials, Credentials::Instance));
    }

    #[test]
    fn an_unencrypted_address_is_a_warning_and_a_public_address_alone_has_no_effect() {
        let url = ("MINIMAX_FILES_URL", "s3://media?endpoint=http://minio:9000");
        let (_, problems, warnings) = read(&[[url].as_slice(), &KEY].concat());
        assert!(problems.is_empty() && warnings[0].contains("unencrypted"), "{problems:?} {warnings:?}");
        let (_, _, warnings) = read(&[("MINIMAX_FILES_PUBLIC_URL", "https://files.example.com")]);
        assert!(warnings[0].contains("no effect"), "{warnings:?}");
        let public = ("MINIMAX_FILES_PUBLIC_URL", "files.example.com");
        let (_, problems, _) = read(&[[url, public].as_slice(), &KEY].concat());
        assert!(problems[0].starts_with("MINIMAX_FILES_PUBLIC_URL is not a URL"), "{problems:?}");
    }
}
