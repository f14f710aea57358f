//! Settings of the traces, with OpenTelemetry's names (OpenTelemetry specification > OTLP exporter).

use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use super::ConfigError;
use super::reader::Reader;

/// The export of spans. An illegal setting only turns the export off, because other programs read the same variables.
#[derive(Debug, Clone, Default)]
pub struct TelemetrySettings {
    /// The collector. `None` means that no spans are sent.
    pub otlp: Option<OtlpSettings>,
    /// Illegal settings.
    pub problems: Vec<ConfigError>,
}

/// A collector, and how to send to it.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// The full URL for traces.
    pub endpoint: Url,
    /// Headers of every request. Usually they hold a token.
    pub headers: Vec<(String, SecretString)>,
    /// If true, the body is JSON instead of protobuf.
    pub json: bool,
    /// The timeout of one batch.
    pub timeout: Duration,
    /// The service name of this server.
    pub service: String,
    /// More resource attributes.
    pub resource: Vec<(String, String)>,
}

const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn telemetry(&self) -> TelemetrySettings {
        let disabled = self.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if disabled || self.get("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none") {
            return TelemetrySettings::default();
        }
        match self.otlp() {
            Ok(otlp) => TelemetrySettings { otlp, problems: Vec::new() },
            Err(problem) => TelemetrySettings { otlp: None, problems: vec![problem] },
        }
    }

    fn otlp(&self) -> Result<Option<OtlpSettings>, ConfigError> {
        let Some(endpoint) = self.endpoint()? else { return Ok(None) };
        let headers = self.pairs(HEADERS)?;
        let resource = self.pairs(RESOURCE)?;
        let named = resource.iter().find(|(name, _)| name == "service.name").map(|(_, value)| value.clone());
        let service = self.get("OTEL_SERVICE_NAME").or(named);
        Ok(Some(OtlpSettings {
            endpoint,
            headers: headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            json: self.protocol()?,
            timeout: self.timeout()?,
            service: service.unwrap_or_else(|| "minimax-mcp".to_owned()),
            resource,
        }))
    }

    /// The URL for traces. The general endpoint is a base URL; the endpoint for traces is used unchanged.
    fn endpoint(&self) -> Result<Option<Url>, ConfigError> {
        let (name, text) = match (self.get(TRACES), self.get(GENERAL)) {
            (Some(text), _) => (TRACES, text),
            (None, Some(text)) => (GENERAL, format!("{}/v1/traces", text.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        // The message does not repeat the value, which may contain a password.
        let problem = "must be the URL of a collector, such as http://localhost:4318".to_owned();
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
            _ => Err(ConfigError { name, problem }),
        }
    }

    fn protocol(&self) -> Result<bool, ConfigError> {
        let name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
        let (name, word) = match (self.get(name), self.get(PROTOCOL)) {
            (Some(word), _) => (name, word),
            (None, Some(word)) => (PROTOCOL, word),
            (None, None) => return Ok(false),
        };
        match word.as_str() {
            "http/protobuf" => Ok(false),
            "http/json" => Ok(true),
            _ => Err(ConfigError {
                name,
                problem: format!("is `{word}`; must be `http/protobuf` or `http/json` (usually port 4318)"),
            }),
        }
    }

    fn timeout(&self) -> Result<Duration, ConfigError> {
        let Some(value) = self.get(TIMEOUT) else { return Ok(Duration::from_secs(10)) };
        match value.parse::<u64>() {
            Ok(milliseconds) if (1..=600_000).contains(&milliseconds) => {
                Ok(Duration::from_millis(milliseconds))
            }
            _ => {
                let problem = format!("is `{value}`; must be a number of milliseconds, 1 to 600000");
                Err(ConfigError { name: TIMEOUT, problem })
            }
        }
    }

    /// Parses percent-encoded `name=value,…` pairs. Error messages do not repeat values.
    fn pairs(&self, name: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
        let text = self.get(name).unwrap_or_default();
        let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        let pair = |piece: &str| {
            let (key, value) = piece.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!key.trim().is_empty()).then(|| (key.trim().to_owned(), value.into_owned()))
        };
        let pairs: Option<Vec<_>> = pieces.map(pair).collect();
        let problem = "cannot be read; must be name=value pairs separated by commas".to_owned();
        pairs.ok_or(ConfigError { name, problem })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> TelemetrySettings {
        let find = |name: &str| pairs.iter().find(|(known, _)| *known == name);
        let lookup = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        Reader::new(lookup).telemetry()
    }

    #[test]
    fn without_an_endpoint_no_span_is_sent() {
        let settings = read(&[(HEADERS, "a=b"), (PROTOCOL, "grpc"), ("OTEL_SERVICE_NAME", "x")]);
        assert!(settings.otlp.is_none() && settings.problems.is_empty());
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(read(&[(GENERAL, "http://localhost:4318"), off]).otlp.is_none());
        }
    }

    #[test]
    fn the_general_endpoint_gets_a_path_and_the_endpoint_for_traces_is_used_unchanged() {
        for given in ["http://localhost:4318", "http://localhost:4318/"] {
            let url = read(&[(GENERAL, given)]).otlp.unwrap().endpoint;
            assert_eq!(url.as_str(), "http://localhost:4318/v1/traces");
        }
        let both = read(&[(GENERAL, "http://a:1"), (TRACES, "https://b/x")]).otlp.unwrap();
        assert_eq!(both.endpoint.as_str(), "https://b/x");
    }

    #[test]
    fn headers_and_attributes_are_pairs_and_the_service_has_a_name() {
        let given = [
            (GENERAL, "http://localhost:4318"),
            (HEADERS, "authorization=Bearer%20abc, x=y"),
            (RESOURCE, "service.name=films,deployment.environment=test"),
        ];
        let otlp = read(&given).otlp.unwrap();
        let headers: Vec<_> =
            otlp.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(headers, [("authorization", "Bearer abc"), ("x", "y")]);
        assert_eq!((otlp.service.as_str(), otlp.resource.len(), otlp.json), ("films", 2, false));
        assert!(!format!("{otlp:?}").contains("abc"));
    }

    #[test]
    fn an_illegal_setting_is_reported_without_its_secrets() {
        for (name, value) in [
            (GENERAL, "localhost:4318"),
            (GENERAL, "secret"),
            (HEADERS, "authorization: Bearer secret"),
            (PROTOCOL, "grpc"),
            (TIMEOUT, "soon"),
        ] {
            let settings =
                read(&[(GENERAL, "http://localhost:4318"), (name, value)][usize::from(name == GENERAL)..]);
            assert!(settings.otlp.is_none(), "{name}={value}");
            let [problem] = settings.problems.as_slice() else { panic!("{name}={value}") };
            assert!(problem.name == name && !problem.to_string().contains("secret"), "{problem}");
        }
    }
}
