//! The headers of a message, as Standard Webhooks writes them.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;

/// Signs messages for one receiver.
pub(super) struct Signer(SecretSlice<u8>);

impl Signer {
    /// `secret` is the key itself, not its text.
    pub(super) fn new(secret: &SecretSlice<u8>) -> Self {
        Self(secret.clone())
    }

    /// The headers of a message that is sent at this time, in Unix seconds.
    pub(super) fn headers(&self, id: &str, at: i64, body: &str) -> Vec<(&'static str, String)> {
        // HMAC takes keys of any length.
        let signed = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok().map(|mut mac| {
            mac.update(format!("{id}.{at}.{body}").as_bytes());
            format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
        });
        let signature = signed.map(|signature| ("webhook-signature", signature));
        [("webhook-id", id.to_owned()), ("webhook-timestamp", at.to_string())]
            .into_iter()
            .chain(signature)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let key = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = Signer::new(&SecretSlice::from(key)).headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            headers,
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
                ("webhook-timestamp", "1614265330".to_owned()),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()),
            ]
        );
    }
}
