//! Tests of the search among voices.

use super::*;

fn found(language: Option<&str>, query: &str) -> Vec<String> {
    let rows = voices().system.iter().map(|voice| VoiceRow::of(from_table(&voice.id))).collect();
    search(rows, language, Some(query)).into_iter().map(|row| row.voice_id).collect()
}

#[test]
fn a_search_finds_whole_words_first_and_needs_each_of_them_somewhere() {
    let anchors = found(None, "news anchor");
    assert_eq!(anchors.first().unwrap(), "Chinese (Mandarin)_News_Anchor");
    assert!(anchors.iter().any(|id| id == "French_Female_News Anchor"));
    assert!(found(None, "cute girl").contains(&"Cantonese_CuteGirl".to_owned()));
    assert!(found(None, "girl spanish").iter().all(|id| id.starts_with("Spanish_")));
    assert!(found(None, "girl zzzz").is_empty());
}

#[test]
fn a_short_word_is_not_the_beginning_of_another() {
    let men = found(Some("zh"), "man");
    assert!(!men.is_empty() && men.iter().all(|id| !id.contains("Girl")), "{men:?}");
    assert!(!found(Some("en"), "male").iter().any(|id| id.to_lowercase().contains("female")));
}

#[test]
fn a_search_for_women_or_men_finds_voices_by_their_names_too() {
    let gender = |id: &String| voices().get(id).unwrap().gender;
    let women = found(Some("de"), "female");
    assert!(women.contains(&"German_SweetLady".to_owned()), "{women:?}");
    assert!(women.iter().all(|id| gender(id) == Some(facts::Gender::Female)), "{women:?}");
    let men = found(Some("Cantonese"), "male host");
    assert!(men.contains(&"Cantonese_ProfessionalHost (M)".to_owned()), "{men:?}");
    assert!(men.iter().all(|id| gender(id) == Some(facts::Gender::Male)), "{men:?}");
}

#[test]
fn a_row_says_the_gender_once() {
    let line = |id: &str| VoiceRow::of(from_table(id)).line();
    assert_eq!(
        line("Chinese (Mandarin)_BashfulGirl"),
        "Chinese (Mandarin)_BashfulGirl · Bashful Girl · \
        Chinese (Mandarin) · female"
    );
    let host = line("Cantonese_KindWoman");
    assert_eq!(host.matches("female").count(), 1, "{host}");
}

#[test]
fn chinese_words_are_found_inside_others() {
    let young = found(None, "青年");
    assert!(young.contains(&"male-qn-qingse".to_owned()), "{young:?}");
    assert!(young.len() < 10, "{young:?}");
}
