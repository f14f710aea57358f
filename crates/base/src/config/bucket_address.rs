//! The address of a bucket and the credentials for it.

use std::fmt;

use secrecy::SecretString;
use url::Url;

/// A bucket, and how it is reached.
#[derive(Clone)]
pub struct Address {
    /// The name of the bucket.
    pub bucket: String,
    /// The beginning of every key, without slashes at either end. May be empty.
    pub prefix: String,
    /// The server. `None` for the AWS server of `region`.
    pub endpoint: Option<Url>,
    /// The address at which clients of this program reach the server. Links to objects lead there.
    pub public_endpoint: Option<Url>,
    /// The region that requests are signed for.
    pub region: String,
    /// If true, the name of the bucket is part of the host.
    pub virtual_hosts: bool,
    /// If true, an object is written only if none has its key (`If-None-Match: *`).
    pub create_only: bool,
    /// The credentials.
    pub credentials: Credentials,
}

/// Where the credentials come from.
#[derive(Clone)]
pub enum Credentials {
    /// A key, and the token that goes with a temporary one.
    Key {
        /// The access key id.
        id: String,
        /// The secret access key.
        secret: SecretString,
        /// The session token.
        token: Option<SecretString>,
    },
    /// A role, assumed with the token in a file (Kubernetes).
    WebIdentity {
        /// The file with the token.
        token_file: String,
        /// The ARN of the role.
        role: String,
        /// The name of the session.
        session: Option<String>,
    },
    /// The role of a container (ECS, EKS).
    Container {
        /// A path at the address of ECS, or a full address.
        uri: String,
        /// The file with the token for a full address.
        token_file: Option<String>,
    },
    /// The role of the machine (EC2).
    Instance,
}

/// Omits the credentials.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown())
    }
}

impl Address {
    /// The bucket and the prefix as a URL, without anything secret.
    pub fn shown(&self) -> String {
        let Self { bucket, prefix, .. } = self;
        if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") }
    }

    /// The key below the prefix.
    pub fn key(&self, below: &str) -> String {
        if self.prefix.is_empty() { below.to_owned() } else { format!("{}/{below}", self.prefix) }
    }
}

/// Whether the server is on this machine, by its name or address.
pub fn is_on_this_machine(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
