//! Thinking that is split from the text, in any pieces.

use proptest::prelude::*;

use super::*;

fn split(pieces: &[&str]) -> (String, String) {
    let mut splitter = Splitter::default();
    let mut all = (String::new(), String::new());
    let parts = pieces.iter().map(|piece| splitter.push(piece)).collect::<Vec<_>>();
    for part in parts.into_iter().chain([splitter.finish()]) {
        all.0.push_str(&part.reasoning);
        all.1.push_str(&part.text);
    }
    all
}

#[test]
fn thinking_is_found_wherever_the_pieces_are_cut() {
    for (whole, reasoning, text) in [
        ("<think>\nÜber 9 < 10…\n</think>\n**9.9** is bigger", "Über 9 < 10…\n", "**9.9** is bigger"),
        ("\n<think>a</think>\n<think>b</thin></think>c", "ab</thin>", "c"),
        ("<thin air> is not a tag", "", "<thin air> is not a tag"),
        ("  An answer about <think>tags</think>.", "", "  An answer about <think>tags</think>."),
        ("<think>never ended </thi", "never ended </thi", ""),
        ("<think></think>x", "", "x"),
        ("<think>a</think>\n", "a", ""),
        ("<thi", "", "<thi"),
        ("", "", ""),
    ] {
        let expected = (reasoning.to_owned(), text.to_owned());
        let cuts: Vec<_> = (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)).collect();
        for &first in &cuts {
            for &second in cuts.iter().filter(|second| **second >= first) {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(split(&pieces), expected, "{pieces:?}");
            }
        }
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        assert_eq!(split(&letters.iter().map(String::as_str).collect::<Vec<_>>()), expected);
    }
}

#[test]
fn a_closing_tag_without_an_opening_one_ends_the_thinking() {
    for (whole, reasoning, text) in [
        ("plan…</think>\nanswer", "plan…", "answer"),
        ("plan…</thinking>answer", "plan…", "answer"),
        ("</think>answer", "", "answer"),
        ("<think>a</think>b</think>c", "a\nb", "c"),
        ("<thinking>a</thinking>b", "a", "b"),
        ("<think>a</thinking>b", "a", "b"),
        ("Write `</think>` there", "", "Write `</think>` there"),
        ("```\n</think>\n```", "", "```\n</think>\n```"),
        ("About <think>tags</think>.", "", "About <think>tags</think>."),
    ] {
        let mut reply = Reply::default();
        fill(&mut reply, whole, "");
        assert_eq!((reply.reasoning.as_str(), reply.text.as_str()), (reasoning, text), "{whole}");
        // With thinking in a field of its own, too.
        fill(&mut reply, "rest</think>answer", "beside");
        assert_eq!((reply.reasoning.as_str(), reply.text.as_str()), ("beside\nrest", "answer"));
    }
}

#[test]
fn only_a_possible_tag_is_held_back() {
    let mut splitter = Splitter::default();
    assert_eq!(splitter.push("<think>ab").reasoning, "ab");
    assert_eq!(splitter.push("c</th").reasoning, "c");
    assert_eq!(splitter.push("en").reasoning, "</then");
    assert_eq!(splitter.push("</think>answer"), Parts { reasoning: String::new(), text: "answer".into() });
}

#[test]
fn repeating_pieces_are_distinguished_from_continuing_ones() {
    for pieces in [
        &["The user", " asks", " for", " a fox."][..],
        &["The user", "The user asks", "The user asks for", "The user asks for a fox."],
        &["T", "The", "The user", "The user asks for a", "The user asks for a fox."],
        &["The user asks", "", "The user asks for a fox.", "The user asks for a fox."],
    ] {
        let mut grown = Grown::default();
        for piece in pieces {
            grown.push(piece);
        }
        let expected = if pieces.len() == 4 && pieces[1] == " asks" {
            pieces.concat()
        } else {
            (*pieces.last().unwrap()).to_owned()
        };
        assert_eq!(grown.text, expected);
    }
    let mut laugh = Grown::default();
    assert_eq!([laugh.push("ha"), laugh.push("ha"), laugh.push("haha!")].concat(), laugh.text);
    assert_eq!(laugh.text, "hahahaha!");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_text_gives_the_same_parts_wherever_it_is_cut(
        words in prop::collection::vec(
            prop::sample::select(vec!["<think>", "</think>", "<", "/", "think", ">", "<th", " ", "\n", "ü", "🦊", "a"]),
            0..24,
        ),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = words.concat();
        let ends: Vec<usize> = (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)).collect();
        let mut cuts: Vec<usize> = places.iter().map(|place| ends[place.index(ends.len())]).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
        let (reasoning, text) = split(&pieces);
        prop_assert_eq!((&reasoning, &text), (&split(&[&whole]).0, &split(&[&whole]).1));
        prop_assert!(reasoning.len() + text.len() <= whole.len());
    }

    #[test]
    fn the_assembled_text_equals_the_sum_of_the_new_parts(
        pieces in prop::collection::vec("[a-c ]{0,12}", 0..12)
    ) {
        let mut grown = Grown::default();
        let given: String = pieces.iter().map(|piece| grown.push(piece)).collect();
        prop_assert!(grown.repeats || given == grown.text);
    }
}
