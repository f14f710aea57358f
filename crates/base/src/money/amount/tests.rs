//! Tests of amounts: reading, rounding and arithmetic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Currency::{Cny, Usd};
use super::*;

fn usd(text: &str) -> Money {
    Money::new(Decimal::exactly(text).unwrap(), Usd)
}

#[test]
fn prices_are_written_the_way_people_write_them() {
    for (amount, words) in [
        ("0", "free"),
        ("0.0000018", "<$0.0001"),
        ("0.0035", "$0.0035"),
        ("0.0046998", "$0.0047"),
        ("0.05", "$0.05"),
        ("0.4", "$0.40"),
        ("3", "$3"),
        ("4.520027", "$4.5201"),
    ] {
        assert_eq!(usd(amount).tag(), words, "{amount}");
    }
    assert_eq!(Money::new(Decimal::exactly("0.2").unwrap(), Cny).tag(), "¥0.20");
    assert_eq!(["0", "0.5"].map(|sum| usd(sum).sum_tag()), ["$0", "$0.50"]);
    for (left, words) in [
        ("0", "$0"),
        ("0.00005", "<$0.0001"),
        ("0.00019", "$0.0001"),
        ("0.0029", "$0.0029"),
        ("0.99999", "$0.9999"),
    ] {
        assert_eq!(usd(left).left_tag(), words, "{left}");
    }
}

#[test]
fn numbers_are_read_exactly_or_refused() {
    for (text, shown) in [
        ("0.0035", "0.0035"),
        ("3.5e-3", "0.0035"),
        ("35E-04", "0.0035"),
        (".25", "0.25"),
        ("5.", "5"),
        ("+1e2", "100"),
        ("0.000000000001", "0.000000000001"),
        ("0e-99", "0"),
        ("12345678901234567890", "12345678901234567890"),
    ] {
        assert_eq!(Decimal::exactly(text).unwrap().to_string(), shown, "{text}");
    }
    for text in ["0.0000000000005", "1e-13", "1e-99"] {
        assert!(Decimal::exactly(text).is_none() && Decimal::nearest(text).is_some(), "{text}");
    }
    assert_eq!(Decimal::nearest("0.30000000000000004"), Decimal::exactly("0.3"));
    assert_eq!(Decimal::nearest("0.0000000000005"), Decimal::exactly("0.000000000001"));
    for text in
        ["", ".", "-1", "-0.5", "1e99", "1e", "e5", "1.2.3", "1,5", "٣", "NaN", "inf", "0x10", " 1", "1 "]
    {
        assert_eq!(Decimal::nearest(text), None, "{text}");
    }
    assert_eq!(["9".repeat(50), "1e-99999999999".to_owned()].map(|text| Decimal::nearest(&text)), [None; 2]);
    assert_eq!([-1.0, f64::NAN, f64::INFINITY, 1e300].map(Decimal::measured), [None; 4]);
    assert_eq!(Decimal::measured(72.5), Decimal::exactly("72.5"));
}

#[test]
fn a_price_in_a_table_is_exact_or_an_error() {
    let read = |text: &str| serde_json::from_str::<Decimal>(text);
    for (text, shown) in [("0.1", "0.1"), ("100", "100"), ("1e-7", "0.0000001"), ("8.4", "8.4")] {
        assert_eq!(read(text).unwrap().to_string(), shown);
    }
    for text in ["-1", "-0.5", "0.30000000000000004", "1e-13", "\"0.1\"", "null", "[]"] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("a number from 0 with at most 12 decimals and 15 digits"), "{text}: {error}");
    }
}

#[test]
fn rounding_is_half_up_for_results_and_up_for_the_ledger() {
    for (exact, rounded, millionths) in [
        ("0.0035", "0.0035", 3500),
        ("0.00000005", "0.0000001", 1),
        ("0.00000004", "0", 0),
        ("0.0000001", "0.0000001", 1),
        ("0.00000104", "0.000001", 1),
        ("0.00000105", "0.0000011", 2),
        ("999999999.9999999", "999999999.9999999", MOST),
        ("123456789012345", "123456789012345", MOST),
    ] {
        let price = usd(exact);
        assert_eq!((price.rounded(), price.millionths()), (usd(rounded), millionths), "{exact}");
    }
    // 2.5 an hour, for 72 seconds.
    let second = usd("2.5").per(3600);
    assert_eq!(second.times(72_u32).unwrap().rounded(), usd("0.05"));
    assert_eq!(usd("1").per(3).amount().to_string(), "0.333333333334");
    assert_eq!(usd("1").times(Decimal::exactly("0.0000000000005").unwrap_or_default()), Some(usd("0")));
}

#[test]
fn amounts_of_different_currencies_are_neither_added_nor_compared() {
    let (five, yuan) = (usd("5"), Money::new(5_u32.into(), Cny));
    assert_eq!((five.checked_add(yuan), five.is_within(yuan), yuan.is_within(five)), (None, false, false));
    assert_eq!(five.left_after(yuan), usd("0"));
    assert_ne!(five, yuan);
    assert_eq!(five.checked_add(five), Some(usd("10")));
    assert!(five.is_within(five) && !usd("5.000001").is_within(five));
    assert_eq!([five.left_after(usd("4.75")), five.left_after(usd("6"))], [usd("0.25"), usd("0")]);
}

#[test]
fn an_amount_is_shown_with_its_currency_and_written_as_a_number() {
    assert_eq!(
        [usd("0.0315"), usd("5.0"), Money::zero(Cny)].map(|money| money.to_string()),
        ["$0.0315", "$5", "¥0"]
    );
    assert_eq!(
        serde_json::to_string(&[usd("0.0315"), usd("5"), usd("0.0000015")]).unwrap(),
        "[0.0315,5.0,1.5e-6]"
    );
    assert_eq!(["usd", "CNY", "EUR", ""].map(Currency::of_code), [Some(Usd), Some(Cny), None, None]);
    assert_eq!(json!(Cny), json!("CNY"));
}

prop_compose! {
    /// A number of up to fifteen digits with up to twelve decimals, as text.
    fn number()(digits in 0..10_u64.pow(15), places in 0..=12_u32) -> String {
        let scale = 10_u64.pow(places);
        match places {
            0 => digits.to_string(),
            _ => format!("{}.{:0width$}", digits / scale, digits % scale, width = places as usize),
        }
    }
}

proptest! {
    #[test]
    fn text_json_and_amount_agree(text in number()) {
        let exact = Decimal::exactly(&text).unwrap();
        prop_assert_eq!(Decimal::exactly(&exact.to_string()), Some(exact));
        prop_assert_eq!(serde_json::from_str::<Decimal>(&text).unwrap(), exact);
        let written = serde_json::to_string(&exact).unwrap();
        prop_assert_eq!(serde_json::from_str::<Decimal>(&written).unwrap(), exact);
        // A program that read the number as a binary fraction before wrote the same bytes.
        prop_assert_eq!(written, serde_json::to_string(&text.parse::<f64>().unwrap()).unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::from_value::<Decimal>(value).unwrap(), exact);
    }

    #[test]
    fn sums_and_products_are_exact(a in 0..10_u64.pow(15), b in 0..10_u64.pow(15), count in 0..1_000_000_u32) {
        let of = |number: u64| Money::new(Decimal(u128::from(number)), Usd);
        let sum = of(a).checked_add(of(b)).unwrap();
        prop_assert_eq!(sum, of(a + b));
        prop_assert_eq!(sum, of(b).checked_add(of(a)).unwrap());
        prop_assert_eq!(sum.left_after(of(b)), of(a));
        let product = of(a).times(count).unwrap();
        prop_assert_eq!(product.amount().0, u128::from(a) * u128::from(count));
        let both = sum.times(count).unwrap();
        prop_assert_eq!(both, product.checked_add(of(b).times(count).unwrap()).unwrap());
    }

    #[test]
    fn the_ledger_reserves_at_least_the_price_that_is_shown(amount in 0..10_u64.pow(19)) {
        let shown = Money::new(Decimal(u128::from(amount)), Cny).rounded();
        let reserved = shown.rounded_up();
        prop_assert!(shown.is_within(reserved) && reserved.left_after(shown).amount().0 < MILLIONTH);
        prop_assert_eq!(Money::from_millionths(reserved.millionths(), Cny), reserved);
        prop_assert_eq!((shown.rounded(), reserved.rounded_up()), (shown, reserved));
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", digits in "[0-9.eE+-]{0,60}") {
        for text in [text, digits] {
            let _ = (Decimal::exactly(&text), Decimal::nearest(&text));
        }
    }
}
