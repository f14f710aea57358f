//! Every ratio on the front pages is in the benchmarks, and follows from the measured values.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

fn read(page: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{page}: {error}")).replace("\r\n", "\n")
}

fn results() -> Value {
    serde_json::from_str(&read("docs/benchmarks.json")).unwrap()
}

fn median(values: &[Value]) -> f64 {
    let mut values: Vec<_> = values.iter().map(|value| value.as_f64().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

/// The values of a server. The overhead of a call is not measured: it is what remains of the call without the request, run by run.
fn values(results: &Value, what: &str, server: &str) -> Vec<Value> {
    if what != "overhead_ms" {
        return results["values"][what][server].as_array().unwrap().clone();
    }
    let [calls, floor] = [server, "direct"].map(|who| values(results, "speech_ms", who));
    let over = |(call, least): (&Value, &Value)| (call.as_f64().unwrap() - least.as_f64().unwrap()).max(0.01);
    calls.iter().zip(&floor).map(over).map(Value::from).collect()
}

/// The numbers of a text that are called multiples, also the first of two that belong together.
fn multiples(text: &str) -> BTreeSet<String> {
    let number =
        Regex::new(r"([0-9]+(?:\.[0-9]+)?)(?: (?:to|至) ([0-9]+(?:\.[0-9]+)?))? ?(?:times|倍|×|x(?-u:\b))")
            .unwrap();
    let parts = number.captures_iter(text).flat_map(|found| [found.get(1), found.get(2)]);
    parts.flatten().map(|one| one.as_str().to_owned()).collect()
}

#[test]
fn every_ratio_follows_from_the_values() {
    let results = results();
    let ratios = results["ratios"].as_object().unwrap();
    assert!(ratios.contains_key("start_ms") && ratios.contains_key("overhead_ms"), "{ratios:?}");
    for (what, row) in ratios {
        for (server, shown) in row.as_object().unwrap() {
            let mine = median(&values(&results, what, "this"));
            let ratio = median(&values(&results, what, server)) / mine;
            let shown = shown.as_str().unwrap();
            let decimals = shown.split_once('.').map_or(0, |(_, digits)| digits.len());
            let unit = 10_f64.powi(-i32::try_from(decimals).unwrap());
            let difference = (ratio - shown.parse::<f64>().unwrap()).abs();
            assert!(difference <= 0.51 * unit, "{what} of {server} is {ratio}, not {shown}");
        }
    }
}

#[test]
fn the_front_pages_name_no_ratio_that_the_benchmarks_do_not_have() {
    let results = results();
    let rows = ["start_ms", "rss_list", "peak_film", "overhead_ms"].map(|what| &results["ratios"][what]);
    let ratios = rows.into_iter().flat_map(|row| row.as_object().unwrap().values());
    let known: BTreeSet<_> = ratios.map(|ratio| ratio.as_str().unwrap().to_owned()).collect();
    let page = read("docs/benchmarks.md");
    for ratio in &known {
        assert!(page.contains(&format!("| {ratio} × ")), "docs/benchmarks.md does not have {ratio} ×");
    }
    let shown = ["README.md", "README.zh-CN.md"].map(|page| multiples(&read(page)));
    assert!(shown[0].len() >= 6, "{:?}", shown[0]);
    assert_eq!(shown[0], shown[1], "the two front pages differ");
    let strange: Vec<_> = shown[0].difference(&known).collect();
    assert!(
        strange.is_empty(),
        "{strange:?} stands in no benchmark; `python3 bench/peers.py --pages` writes the sentence"
    );
}

/// A word about speed without a figure would be a claim that nothing backs.
#[test]
fn the_front_pages_claim_no_speed_beside_the_ratios() {
    let claim = Regex::new(r"(?i-u:\b(?:fast|faster|fastest|lightweight|blazing[a-z]*|instant[a-z]*)\b)|极速|飞快|轻量|更快|最快").unwrap();
    for page in ["README.md", "README.zh-CN.md"] {
        let text = read(page);
        let found: Vec<_> = claim.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(found.is_empty(), "{page}: {found:?}");
    }
}

#[test]
fn a_ratio_is_noticed_in_both_languages() {
    let found =
        multiples("needs 52 to 98 times as long, 4.9× the memory; 是 2.2 至 20 倍。 512 x 512, 3 times");
    let wanted = ["52", "98", "4.9", "2.2", "20", "512", "3"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(wanted));
}

/// The pages are written on the machine that measures, and say nothing of its folders.
#[test]
fn the_benchmarks_name_the_versions_and_no_place_of_the_machine() {
    let results = results();
    let page = read("docs/benchmarks.md");
    for (server, version) in results["versions"].as_object().unwrap() {
        let version = version.as_str().unwrap();
        assert!(!version.is_empty() && page.contains(version), "{server} {version}");
    }
    let place = Regex::new(r"/(?:home|root|tmp|work|Users|var|mnt)/|file://").unwrap();
    for file in ["docs/benchmarks.md", "docs/benchmarks.json", "docs/benchmarks.svg"] {
        assert!(place.find(&read(file)).is_none(), "{file}");
    }
}
