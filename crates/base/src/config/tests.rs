//! Tests of the settings as a whole.

use std::path::Path;

use super::of_pairs as read;
use super::*;
use crate::money::Money;

#[test]
fn a_base_url_for_another_program_is_accepted() {
    for given in [
        "https://api.minimax.io",
        "https://api.minimax.io/v1",
        "https://api.minimax.io/v1/",
        "https://api.minimax.io/anthropic",
        "https://api.minimax.io/anthropic/v1/messages",
        "api.minimax.io",
    ] {
        let config = read(&[("MINIMAX_API_BASE", given)]);
        assert_eq!(config.host, "https://api.minimax.io", "{given}");
        assert!(config.problems.is_empty(), "{given}");
    }
}

#[test]
fn a_host_that_would_leak_the_key_is_a_problem_and_not_a_crash() {
    for given in [
        "http://api.minimax.io",
        "ftp://api.minimax.io",
        "https://user:pw@api.minimax.io",
        "https://api.minimax.io/?x=1",
        "https://api.minimax.io/other",
        "https://",
    ] {
        let config = read(&[("MINIMAX_API_HOST", given)]);
        assert_eq!(config.problems.first().map(|problem| problem.name), Some("MINIMAX_API_HOST"), "{given}");
        assert_eq!(config.host, "", "{given}");
    }
    assert!(read(&[("MINIMAX_API_HOST", "http://127.0.0.1:9")]).problems.is_empty());
}

#[test]
fn a_host_on_this_machine_is_a_gateway_unless_the_sandbox_is_named() {
    for host in ["http://127.0.0.1:4000", "http://localhost:4000", "http://[::1]:4000"] {
        let gateway = read(&[("MINIMAX_API_HOST", host)]);
        assert_eq!((gateway.sandbox, gateway.keeps_limits()), (false, true), "{host}");
        assert_eq!(gateway.poll, Duration::from_secs(10), "{host}");
        let sandbox = read(&[("MINIMAX_API_HOST", host), ("MINIMAX_SANDBOX", "true")]);
        assert_eq!((sandbox.sandbox, sandbox.keeps_limits()), (true, false), "{host}");
        assert!(sandbox.poll < Duration::from_secs(1) && sandbox.problems.is_empty(), "{host}");
    }
    let elsewhere = read(&[("MINIMAX_API_HOST", "https://api.minimax.io"), ("MINIMAX_SANDBOX", "true")]);
    assert!(!elsewhere.sandbox);
    assert_eq!(elsewhere.problems.first().map(|problem| problem.name), Some("MINIMAX_SANDBOX"));
    let config = read(&[]).at_sandbox("http://127.0.0.1:1");
    assert_eq!((config.sandbox, config.keeps_limits()), (true, false));
}

#[test]
fn the_region_decides_host_and_currency_and_a_known_host_decides_the_region() {
    let cn = read(&[("MINIMAX_REGION", "cn")]);
    assert_eq!((cn.host.as_str(), cn.currency()), ("https://api.minimax.cn", Currency::Cny));
    assert_eq!(read(&[("MINIMAX_API_HOST", "https://api.minimaxi.com")]).currency(), Currency::Cny);
    assert_eq!(read(&[("MINIMAX_REGION", "mars")]).problems.len(), 1);
}

#[test]
fn a_toolset_that_starts_jobs_adds_the_job_tools_and_a_wrong_toolset_is_reported() {
    assert_eq!(read(&[("MINIMAX_TOOLSETS", "image")]).toolsets, [Toolset::Image, Toolset::Jobs]);
    assert_eq!(read(&[("MINIMAX_TOOLSETS", "account")]).toolsets, [Toolset::Account]);
    let wrong = read(&[("MINIMAX_TOOLSETS", "images")]);
    assert!(wrong.problems.iter().any(|problem| problem.problem.contains("`images`")));
    assert!(!read(&[]).toolsets.contains(&Toolset::Legacy));
}

#[test]
fn a_relative_folder_is_refused_because_clients_start_servers_anywhere() {
    let config = read(&[("MINIMAX_MCP_BASE_PATH", "out")]);
    assert_eq!(config.base_path, Path::new("/home/ada/minimax"));
    assert_eq!(config.problems.len(), 1);
    assert_eq!(read(&[("MINIMAX_MCP_BASE_PATH", "~/x")]).base_path, Path::new("/home/ada/x"));
}

#[test]
fn a_budget_in_another_currency_or_that_cannot_be_read_is_a_problem() {
    let amount = |millionths| Some(Money::from_millionths(millionths, Currency::Usd));
    let good = read(&[("MINIMAX_BUDGET_DAY", "5"), ("MINIMAX_CONFIRM_ABOVE", "0.5 usd")]);
    assert_eq!((good.budgets.day, good.budgets.confirm_above), (amount(5_000_000), amount(500_000)));
    assert!(good.problems.is_empty());
    let cn = read(&[("MINIMAX_REGION", "cn"), ("MINIMAX_BUDGET_CALL", "30 CNY")]);
    let thirty = Money::from_millionths(30_000_000, Currency::Cny);
    assert_eq!((cn.budgets.call, cn.problems.len()), (Some(thirty), 0));
    for (name, value) in
        [("MINIMAX_BUDGET_DAY", "30 CNY"), ("MINIMAX_BUDGET_CALL", "x"), ("MINIMAX_BUDGET_PROCESS", "-1")]
    {
        let bad = read(&[(name, value)]);
        assert_eq!(bad.problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn the_debug_output_does_not_contain_the_key() {
    let config = read(&[("MINIMAX_API_KEY", "sk-api-secret")]);
    assert!(!format!("{config:?}").contains("secret"));
}
