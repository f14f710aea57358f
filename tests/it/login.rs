//! `login` with two keys, and the keys that `setup --with-key` writes.

use serde_json::Value;

use crate::home::{Home, KEY};
use crate::setup::log_in;
use crate::stdio::on_stage;

#[test]
fn a_key_of_each_kind_is_stored_and_both_are_used_and_shown() {
    on_stage(|stage| {
        let home = Home::new();
        let url = stage.sandbox.url();
        let at = [("MINIMAX_API_HOST", url.as_str())];
        let plan = "sk-cp-0123456789abcdef0123456789ABCD";
        let (good, said) = log_in(&home, &at, plan);
        assert!(good && said.contains("of a subscription plan") && !said.contains("Two keys"), "{said}");
        let (good, said) = log_in(&home, &at, KEY);
        assert!(good && said.contains("Two keys are stored"), "{said}");
        let report = |settings: &[(&str, &str)]| {
            let (output, _) = home.run(&[&at, settings].concat(), &["doctor", "--json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let lines = report["checks"].as_array().unwrap().clone();
            let keys = lines.into_iter().filter(|line| line["check"] == "key");
            keys.map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let both = report(&[]);
        assert!(
            both.len() == 2 && both.iter().all(|line| line.contains("from `minimax-mcp login`")),
            "{both:?}"
        );
        assert!(
            both.iter().any(|line| line.contains("sk-cp-…"))
                && both.iter().any(|line| line.contains("sk-api-…"))
        );
        let beside = report(&[("MINIMAX_PLAN_KEY", "sk-cp-other")]);
        assert!(
            beside.iter().any(|line| line.contains("from MINIMAX_PLAN_KEY")) && beside.len() == 2,
            "{beside:?}"
        );
        let instead = report(&[("MINIMAX_API_KEY", "sk-api-other")]);
        assert!(instead.len() == 1 && instead[0].contains("from MINIMAX_API_KEY"), "{instead:?}");
        // A call names the key that pays.
        let call = ["call", "text_to_image", "prompt=A fox", "--dry-run", "--json"];
        let (output, said) = home.run(&at, &call);
        assert!(output.status.success() && said.contains("paid by the plan (MINIMAX_PLAN_KEY)"), "{said}");
        home.good(&["logout"]);
        assert!(report(&[])[0].contains("no MiniMax API key is set"));
    });
}

#[test]
fn with_key_writes_each_key_of_the_shell() {
    let home = Home::new();
    for (settings, there, missing) in [
        (&[("MINIMAX_PLAN_KEY", "sk-cp-a")][..], &["sk-cp-a"][..], &["MINIMAX_API_KEY"][..]),
        (&[("MINIMAX_API_KEY", "sk-api-b"), ("MINIMAX_PLAN_KEY", "sk-cp-a")], &["sk-api-b", "sk-cp-a"], &[]),
    ] {
        let (_, said) = home.run(settings, &["setup", "cursor", "--print", "--with-key"]);
        assert!(there.iter().all(|part| said.contains(part)), "{said}");
        assert!(missing.iter().all(|part| !said.contains(part)), "{said}");
    }
}
