//! The requests to a bucket.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt as _, TryStreamExt as _};
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore as _,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use url::Url;

use super::problem::BucketProblem;
use crate::config::bucket_address::{Address, Credentials, is_on_this_machine};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one request may take. A part over a slow connection takes the longest.
const REQUEST: Duration = Duration::from_secs(120);

/// How long a failed request is retried. The delivery of a file is retried for longer.
const REPEAT: Duration = Duration::from_secs(10);

/// How long [`Bucket::check`] waits.
const CHECK: Duration = Duration::from_secs(5);

/// How long the outcome of [`Bucket::check`] is reused.
const CHECKED: Duration = Duration::from_secs(2);

/// An object as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The key below the prefix.
    pub key: String,
    /// The tag that the server gave to this content, if it gives any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A bucket. A handle, so cloning is cheap. Nothing is opened before the first request.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    address: Address,
    store: OnceLock<AmazonS3>,
    /// For signed links, which lead to the public endpoint.
    public: OnceLock<AmazonS3>,
    /// The last check: when, and its outcome.
    checked: Mutex<Option<(Instant, Result<(), BucketProblem>)>>,
}

/// Omits the credentials.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.shown())
    }
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key below the prefix.
    pub key: String,
    /// The size in bytes.
    pub bytes: u64,
}

impl Bucket {
    /// A bucket at this address.
    pub fn new(address: Address) -> Self {
        Self(Arc::new(Inner {
            address,
            store: OnceLock::new(),
            public: OnceLock::new(),
            checked: Mutex::default(),
        }))
    }

    /// The bucket and the prefix as a URL, without anything secret.
    pub fn shown(&self) -> String {
        self.0.address.shown()
    }

    /// The URL of an object, for people: `s3://bucket/prefix/key`.
    pub fn url_of(&self, key: &str) -> String {
        format!("{}/{key}", self.shown())
    }

    /// Whether the bucket answers and the credentials are accepted. Writes nothing. Asked at most every two seconds.
    pub async fn check(&self) -> Result<(), BucketProblem> {
        let known = self.0.checked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, outcome)) = known
            && at.elapsed() < CHECKED
        {
            return outcome;
        }
        let outcome = self.ask().await;
        *self.0.checked.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// Lists an empty prefix, because the answer to a request for one object cannot tell a missing bucket from a missing
    /// object.
    async fn ask(&self) -> Result<(), BucketProblem> {
        let nowhere = self.path(".check")?;
        let listing = self.store()?.list_with_delimiter(Some(&nowhere));
        match tokio::time::timeout(CHECK, listing).await {
            Ok(listed) => listed.map(drop).map_err(noted),
            Err(_) => Err(BucketProblem::Away(format!("no answer within {} seconds", CHECK.as_secs()))),
        }
    }

    /// Writes a small object, if there is none with this key. Returns its tag.
    pub async fn put(&self, key: &str, bytes: Bytes, mime: &str) -> Result<Object, BucketProblem> {
        let mode = if self.0.address.create_only { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, attributes: typed(mime), ..PutOptions::default() };
        let put = self.store()?.put_opts(&self.path(key)?, PutPayload::from_bytes(bytes), options).await;
        let put = put.map_err(noted)?;
        Ok(Object { key: key.to_owned(), etag: put.e_tag })
    }

    /// The bytes of an object from `start` up to but not including `end`.
    pub(super) async fn part(&self, object: &Object, start: u64, end: u64) -> Result<Bytes, BucketProblem> {
        let options = GetOptions {
            if_match: object.etag.clone(),
            range: Some(GetRange::Bounded(start..end)),
            ..GetOptions::default()
        };
        let got = self.store()?.get_opts(&self.path(&object.key)?, options).await.map_err(noted)?;
        // Some servers ignore the condition.
        if object.etag.is_some() && got.meta.e_tag.is_some() && got.meta.e_tag != object.etag {
            return Err(BucketProblem::Replaced);
        }
        got.bytes().await.map_err(noted)
    }

    /// The tag and the size of the object with this key.
    pub async fn head(&self, key: &str) -> Result<(Object, u64), BucketProblem> {
        let found = self.store()?.head(&self.path(key)?).await.map_err(noted)?;
        Ok((Object { key: key.to_owned(), etag: found.e_tag }, found.size))
    }

    /// Removes an object. A missing one is not an error.
    pub async fn delete(&self, key: &str) -> Result<(), BucketProblem> {
        match self.store()?.delete(&self.path(key)?).await.map_err(noted) {
            Err(BucketProblem::Absent) => Ok(()),
            done => done,
        }
    }

    /// All objects below a key.
    pub async fn list(&self, below: &str) -> Result<Vec<Listed>, BucketProblem> {
        let prefix = self.0.address.key("");
        let listing = self.store()?.list(Some(&self.path(below)?));
        let listed = listing.map_ok(|found| Listed {
            key: found.location.as_ref().strip_prefix(&prefix).unwrap_or(found.location.as_ref()).to_owned(),
            bytes: found.size,
        });
        listed.try_collect().await.map_err(noted)
    }

    /// A link to an object that needs no credentials and expires after `life`. `None` if the credentials have to be
    /// fetched first.
    pub fn link(&self, key: &str, name: &str, life: Duration) -> Option<Url> {
        let plain: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let disposition = format!("inline; filename=\"{plain}\"");
        let options = SignedUrlOptions::default().with_query([("response-content-disposition", disposition)]);
        let (path, store) = (self.path(key).ok()?, self.public().ok()?);
        store.signed_url_opts(Method::GET, &path, life, &options).now_or_never()?.ok()
    }

    /// Whether links lead to an address that clients can reach.
    pub fn has_public_links(&self) -> bool {
        self.0.address.public_endpoint.is_some()
    }

    pub(super) async fn create_multipart(&self, key: &str, mime: &str) -> Result<String, BucketProblem> {
        let options = PutMultipartOptions { attributes: typed(mime), ..PutMultipartOptions::default() };
        self.store()?.create_multipart_opts(&self.path(key)?, options).await.map_err(noted)
    }

    pub(super) async fn put_part(
        &self,
        key: &str,
        upload: &str,
        index: usize,
        bytes: Bytes,
    ) -> Result<String, BucketProblem> {
        let (store, path, upload) = (self.store()?, self.path(key)?, upload.to_owned());
        let put = store.put_part(&path, &upload, index, PutPayload::from_bytes(bytes)).await;
        Ok(put.map_err(noted)?.content_id)
    }

    pub(super) async fn complete_multipart(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<String>,
    ) -> Result<Object, BucketProblem> {
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        let done = self.store()?.complete_multipart(&self.path(key)?, &upload.to_owned(), parts).await;
        Ok(Object { key: key.to_owned(), etag: done.map_err(noted)?.e_tag })
    }

    /// Removes the parts of an upload. A missing one is not an error.
    pub async fn abort(&self, key: &str, upload: &str) -> Result<(), BucketProblem> {
        match self.abort_multipart(key, upload).await {
            Err(BucketProblem::Absent) => Ok(()),
            Err(BucketProblem::Refused(_)) if self.takes_uploads(key).await => Ok(()),
            done => done,
        }
    }

    /// Whether an upload to this key can begin now. If it can, but requests for an older upload are refused, the older
    /// upload no longer exists: some servers then answer 403.
    pub(crate) async fn takes_uploads(&self, key: &str) -> bool {
        let Ok(upload) = self.create_multipart(key, "application/octet-stream").await else { return false };
        if let Err(problem) = self.abort_multipart(key, &upload).await {
            tracing::warn!(
                %problem,
                "the bucket does not allow uploads to be aborted; add a lifecycle rule that removes them"
            );
        }
        true
    }

    async fn abort_multipart(&self, key: &str, upload: &str) -> Result<(), BucketProblem> {
        self.store()?.abort_multipart(&self.path(key)?, &upload.to_owned()).await.map_err(noted)
    }

    fn path(&self, below: &str) -> Result<Path, BucketProblem> {
        let key = self.0.address.key(below);
        Path::parse(key)
            .map_err(|error| BucketProblem::Setting(format!("the key of the object is not valid: {error}")))
    }

    fn store(&self) -> Result<&AmazonS3, BucketProblem> {
        built(&self.0.store, &self.0.address, self.0.address.endpoint.as_ref())
    }

    fn public(&self) -> Result<&AmazonS3, BucketProblem> {
        let Address { endpoint, public_endpoint, .. } = &self.0.address;
        match public_endpoint {
            Some(public) => built(&self.0.public, &self.0.address, Some(public)),
            None => built(&self.0.store, &self.0.address, endpoint.as_ref()),
        }
    }
}

fn built<'a>(
    cell: &'a OnceLock<AmazonS3>,
    address: &Address,
    endpoint: Option<&Url>,
) -> Result<&'a AmazonS3, BucketProblem> {
    if let Some(store) = cell.get() {
        return Ok(store);
    }
    // reqwest is built without its own TLS provider. A second installation fails, which does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = builder(address, endpoint).build();
    let store = store.map_err(|error| BucketProblem::Setting(error.to_string()))?;
    Ok(cell.get_or_init(|| store))
}

fn builder(address: &Address, endpoint: Option<&Url>) -> AmazonS3Builder {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: 4, retry_timeout: REPEAT };
    let client =
        ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST).with_allow_http(true);
    // The user's proxy cannot reach ports on this machine. The library cannot switch that proxy off, but can replace
    // it.
    let client = match endpoint {
        Some(endpoint) if is_on_this_machine(endpoint) => {
            client.with_proxy_url(endpoint.as_str()).with_proxy_excludes("*")
        }
        _ => client,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&address.bucket)
        .with_region(&address.region)
        .with_virtual_hosted_style_request(address.virtual_hosts)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry)
        .with_client_options(client)
        .with_allow_http(true);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(hosted(endpoint, address));
    }
    match &address.credentials {
        Credentials::Key { id, secret, token } => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
            match token {
                Some(token) => builder.with_token(token.expose_secret()),
                None => builder,
            }
        }
        Credentials::WebIdentity { token_file, role, session } => {
            builder = builder
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, token_file)
                .with_config(AmazonS3ConfigKey::RoleArn, role);
            match session {
                Some(session) => builder.with_config(AmazonS3ConfigKey::RoleSessionName, session),
                None => builder,
            }
        }
        Credentials::Container { uri, token_file: Some(token_file) } => builder
            .with_config(AmazonS3ConfigKey::ContainerCredentialsFullUri, uri)
            .with_config(AmazonS3ConfigKey::ContainerAuthorizationTokenFile, token_file),
        Credentials::Container { uri, token_file: None } => {
            builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, uri)
        }
        Credentials::Instance => builder,
    }
}

/// Puts the name of the bucket into the host, which the library leaves to its caller.
fn hosted(endpoint: &Url, address: &Address) -> String {
    let mut endpoint = endpoint.clone();
    if address.virtual_hosts
        && let Some(host) = endpoint.host_str()
    {
        let host = format!("{}.{host}", address.bucket);
        let _ = endpoint.set_host(Some(&host));
    }
    endpoint.as_str().trim_end_matches('/').to_owned()
}

fn typed(mime: &str) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, mime.to_owned())])
}

/// Logs the failure.
fn noted(error: object_store::Error) -> BucketProblem {
    let problem = BucketProblem::from(error);
    if !matches!(problem, BucketProblem::Absent | BucketProblem::Taken) {
        tracing::debug!(%problem, "a request to the bucket failed");
    }
    problem
}
