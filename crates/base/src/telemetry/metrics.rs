//! Metrics for Prometheus (OpenMetrics 1.0 text).
//!
//! Each server has its own. Labels contain only words of this program: the name of a tool, an endpoint, a kind of error.
//! They never contain text from a caller.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use crate::money::{Currency, Money};

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;
type Figures<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;
type Counts<const N: usize> = Family<Labels<N>, Gauge>;

/// Buckets for calls, which may wait for their jobs for up to four minutes.
const CALL_SECONDS: &[f64] = &[0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0];

/// Buckets for requests. MiniMax answers a poll at once, but takes a while for speech or an image.
const REQUEST_SECONDS: &[f64] = &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0];

/// The prefix of every metric.
const PREFIX: &str = "minimax_mcp";

/// The metrics of one server.
pub struct Metrics {
    registry: Registry,
    calls: Family<Labels<2>, Counter>,
    call_seconds: Histograms,
    calling: Gauge,
    requests: Family<Labels<2>, Counter>,
    request_seconds: Histograms,
    downloaded: Counter,
    began: Instant,
    began_at: f64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = |buckets: fn() -> Histogram| Histograms::new_with_constructor(buckets);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mut all = Self {
            registry: Registry::with_prefix(PREFIX),
            calls: Family::default(),
            call_seconds: seconds(|| Histogram::new(CALL_SECONDS.iter().copied())),
            calling: Gauge::default(),
            requests: Family::default(),
            request_seconds: seconds(|| Histogram::new(REQUEST_SECONDS.iter().copied())),
            downloaded: Counter::default(),
            began: Instant::now(),
            began_at: since.as_secs_f64(),
        };
        all.register();
        all
    }
}

/// The queue of one rate-limit group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLength {
    /// The rate-limit group.
    pub group: &'static str,
    /// Requests that wait for a permit.
    pub waiting: usize,
    /// Requests in flight, or running tasks if the group limits tasks.
    pub in_flight: usize,
}

/// A sum from the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount {
    /// `day` or `process`.
    pub window: &'static str,
    /// `settled`, `reserved` or `unknown`.
    pub state: &'static str,
    /// The sum.
    pub value: Money,
}

/// Numbers from the store.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Kind, status and number of jobs.
    pub jobs: Vec<(String, String, i64)>,
    /// Sums of the ledger.
    pub amounts: Vec<Amount>,
    /// Currency, window and number of purchases without a known price.
    pub unpriced: Vec<(Currency, &'static str, i64)>,
}

/// Numbers that are collected when the metrics are requested.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// The queues of all rate-limit groups in use.
    pub queues: Vec<QueueLength>,
    /// Active jobs of this process.
    pub active_jobs: usize,
    /// `None` if the store cannot be read.
    pub records: Option<Records>,
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Metrics {
    fn register(&mut self) {
        let Self { registry, calls, call_seconds, calling, requests, request_seconds, downloaded, .. } = self;
        registry.register("tool_calls", "Calls that have ended, by how", calls.clone());
        let help = "How long calls took, with the time that they waited for their job";
        registry.register_with_unit("tool_call_duration", help, Unit::Seconds, call_seconds.clone());
        registry.register("tool_calls_in_progress", "Calls that have not ended", calling.clone());
        registry.register("upstream_requests", "Requests to MiniMax, by how they ended", requests.clone());
        let help = "How long MiniMax took to answer, or to begin an answer that comes in pieces";
        registry.register_with_unit(
            "upstream_request_duration",
            help,
            Unit::Seconds,
            request_seconds.clone(),
        );
        let help = "The size of the results that were fetched and saved";
        registry.register_with_unit("downloaded", help, Unit::Bytes, downloaded.clone());
    }

    /// Counts a call that begins. Dropping the guard before [`Observed::end`] counts the call as abandoned.
    pub fn call(&self, tool: Cow<'static, str>) -> Observed<'_> {
        self.calling.inc();
        Observed { metrics: self, what: What::Call(tool), began: Instant::now(), ended: false }
    }

    /// Counts a request that leaves. Dropping the guard before [`Observed::end`] counts the request as abandoned.
    pub fn request(&self, endpoint: &'static str) -> Observed<'_> {
        Observed { metrics: self, what: What::Request(endpoint), began: Instant::now(), ended: false }
    }

    /// Counts bytes of results that were downloaded and saved.
    pub fn downloaded(&self, bytes: u64) {
        self.downloaded.inc_by(bytes);
    }

    /// All metrics as text.
    pub fn text(&self, now: &Scrape) -> String {
        let mut text = String::new();
        let looked_up = self.looked_up(now);
        // Writing to a string cannot fail.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &looked_up);
        let _ = encode_eof(&mut text);
        text
    }

    fn looked_up(&self, now: &Scrape) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let (build, uptime, start) = (Counts::<1>::default(), gauge_of(0.0), gauge_of(self.began_at));
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION").into())]).set(1);
        uptime.set(self.began.elapsed().as_secs_f64());
        registry.register("build_info", "The version that runs", build);
        registry.register_with_unit("uptime", "Since the server began", Unit::Seconds, uptime);
        let help = "When the server began, in Unix time";
        registry.register_with_unit("start_time", help, Unit::Seconds, start);
        let (waiting, in_flight) = (Counts::<1>::default(), Counts::<1>::default());
        for queue in &now.queues {
            let labels = [("group", queue.group.into())];
            waiting.get_or_create(&labels).set(gauge(queue.waiting));
            in_flight.get_or_create(&labels).set(gauge(queue.in_flight));
        }
        registry.register("upstream_waiting", "Requests that wait because of MiniMax's limits", waiting);
        registry.register("upstream_in_flight", "Requests or tasks that count against a limit", in_flight);
        let active: Gauge = Gauge::default();
        active.set(gauge(now.active_jobs));
        registry.register("jobs_followed", "Jobs that this process works on", active);
        let readable: Gauge = Gauge::default();
        readable.set(i64::from(now.records.is_some()));
        registry.register("records_readable", "1 if the job records could be read just now", readable);
        if let Some(records) = &now.records {
            records.register(&mut registry);
        }
        registry
    }
}

impl Records {
    fn register(&self, registry: &mut Registry) {
        let (jobs, spent, unpriced) =
            (Counts::<2>::default(), Figures::<3>::default(), Counts::<2>::default());
        for (kind, status, count) in &self.jobs {
            let labels = [("kind", kind.clone().into()), ("status", status.clone().into())];
            jobs.get_or_create(&labels).set(*count);
        }
        for Amount { window, state, value } in &self.amounts {
            let labels = [
                ("currency", value.currency().as_str().into()),
                ("window", (*window).into()),
                ("state", (*state).into()),
            ];
            spent.get_or_create(&labels).set(value.amount().to_f64());
        }
        for (currency, window, count) in &self.unpriced {
            let labels = [("currency", currency.as_str().into()), ("window", (*window).into())];
            unpriced.get_or_create(&labels).set(*count);
        }
        registry.register("jobs", "Jobs in the records of this account", jobs);
        let help = "By the ledger, in the currency: settled by MiniMax's count or else by the estimate, reserved by \
                    the estimate for what has not ended, unknown for what may have been billed; in the last 24 hours \
                    by all servers of the records, and by this process";
        registry.register("spending", help, spent);
        registry.register("spending_unpriced_purchases", "Purchases without a known price", unpriced);
    }
}

fn gauge_of(value: f64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

#[derive(Debug)]
enum What {
    Call(Cow<'static, str>),
    Request(&'static str),
}

/// A call or request that is counted when it ends.
#[derive(Debug)]
#[must_use]
pub struct Observed<'a> {
    metrics: &'a Metrics,
    what: What,
    began: Instant,
    ended: bool,
}

impl Observed<'_> {
    /// Records the outcome and returns the duration in milliseconds.
    pub fn end(mut self, outcome: &'static str) -> u64 {
        self.count(outcome);
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn count(&mut self, outcome: &'static str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (name, subject, counts, seconds) = match &self.what {
            What::Call(tool) => {
                self.metrics.calling.dec();
                ("tool", tool.clone(), &self.metrics.calls, &self.metrics.call_seconds)
            }
            What::Request(endpoint) => {
                let subject = Cow::Borrowed(*endpoint);
                ("endpoint", subject, &self.metrics.requests, &self.metrics.request_seconds)
            }
        };
        seconds.get_or_create(&[(name, subject.clone())]).observe(self.began.elapsed().as_secs_f64());
        counts.get_or_create(&[(name, subject), ("outcome", outcome.into())]).inc();
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        self.count("abandoned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_dropped_counts_as_abandoned_and_one_that_ends_counts_once() {
        let metrics = Metrics::default();
        drop(metrics.call("a".into()));
        let _ = metrics.call("a".into()).end("ok");
        let open = metrics.call("b".into());
        let text = metrics.text(&Scrape::default());
        for line in [
            "minimax_mcp_tool_calls_total{tool=\"a\",outcome=\"abandoned\"} 1\n",
            "minimax_mcp_tool_calls_total{tool=\"a\",outcome=\"ok\"} 1\n",
            "minimax_mcp_tool_call_duration_seconds_count{tool=\"a\"} 2\n",
            "minimax_mcp_tool_calls_in_progress 1\n",
            "minimax_mcp_records_readable 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        drop(open);
    }

    #[test]
    fn the_text_of_a_label_cannot_break_out_of_it() {
        let records = Records { jobs: vec![("a\"}\n# EOF".into(), "\\".into(), 1)], ..Records::default() };
        let text = Metrics::default().text(&Scrape { records: Some(records), ..Scrape::default() });
        assert!(text.contains("minimax_mcp_jobs{kind=\"a\\\"}\\n# EOF\",status=\"\\\\\"} 1\n"), "{text}");
    }
}
