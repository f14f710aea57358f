//! Converts a text into a melody: one note per syllable, as long as the text takes to speak.

/// How a text is spoken.
#[derive(Debug, Clone, Copy)]
pub struct Prosody {
    /// 0.5 to 2.
    pub speed: f64,
    /// In semitones, -12 to 12.
    pub pitch: i32,
}

/// A note or a rest.
#[derive(Debug, PartialEq)]
pub struct Note {
    pub seconds: f64,
    /// In hertz; `None` is a rest.
    pub pitch: Option<f64>,
}

/// Letters per second, and characters per second for scripts with one syllable per character.
const LETTERS: f64 = 15.0;
const SYLLABLES: f64 = 5.0;
/// The minimum length of a melody, in seconds.
const SHORTEST: f64 = 0.3;
/// The amplitude at volume 1, as a fraction of full scale.
const LOUDNESS: f64 = 0.2;

/// A part of a text: speech, or a pause `<#x#>` of x seconds ("T2A v2 > text").
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Piece<'a> {
    Speech(&'a str),
    Rest(f64),
}

/// Splits a text at its pauses. A malformed pause is spoken.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("<#") {
        let Some((seconds, after)) =
            tail.split_once("#>").and_then(|(x, after)| Some((x.parse::<f64>().ok()?, after)))
        else {
            break;
        };
        found.push(Piece::Speech(before));
        found.push(Piece::Rest(seconds));
        rest = after;
    }
    found.push(Piece::Speech(rest));
    found.retain(|piece| *piece != Piece::Speech(""));
    found
}

/// Whether a character counts double in billing and is a syllable of its own: Chinese, Japanese and Korean.
pub fn wide(letter: char) -> bool {
    const RANGES: [(char, char); 5] = [
        ('\u{2e80}', '\u{9fff}'),
        ('\u{ac00}', '\u{d7af}'),
        ('\u{f900}', '\u{faff}'),
        ('\u{ff00}', '\u{ff60}'),
        ('\u{20000}', '\u{3ffff}'),
    ];
    RANGES.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

/// The melody of a text.
pub fn melody(text: &str, manner: Prosody) -> Vec<Note> {
    let mut notes = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Rest(seconds) => notes.push(Note { seconds: seconds.clamp(0.0, 99.99), pitch: None }),
            Piece::Speech(speech) => sing(speech, manner, &mut notes),
        }
    }
    let length: f64 = notes.iter().map(|note| note.seconds).sum();
    if length < SHORTEST {
        notes.push(Note { seconds: SHORTEST - length, pitch: None });
    }
    notes
}

fn sing(speech: &str, manner: Prosody, notes: &mut Vec<Note>) {
    /// Semitones above the lowest note: a scale whose notes all sound well together.
    const SCALE: [i32; 6] = [0, 2, 4, 7, 9, 12];
    const LOWEST: f64 = 196.0;
    const LETTERS_A_SYLLABLE: usize = 3;
    let speed = manner.speed.clamp(0.1, 10.0);
    let letters: Vec<char> = speech.chars().collect();
    let mut rest = letters.as_slice();
    while let Some(first) = rest.first() {
        let count = if wide(*first) { 1 } else { syllable(rest, LETTERS_A_SYLLABLE) };
        let (syllable, tail) = rest.split_at(count.min(rest.len()));
        rest = tail;
        let each = if wide(*first) { 1.0 / SYLLABLES } else { 1.0 / LETTERS };
        let seconds = each / speed * syllable.iter().map(|_| 1.0).sum::<f64>();
        let step = syllable.iter().fold(0_usize, |sum, letter| sum.wrapping_add(*letter as usize));
        let tones = SCALE.get(step % SCALE.len()).copied().unwrap_or_default() + manner.pitch;
        let silent = !syllable.iter().any(|letter| letter.is_alphanumeric());
        let pitch = (!silent).then(|| LOWEST * (f64::from(tones) / 12.0).exp2());
        notes.push(Note { seconds, pitch });
    }
}

/// The length of the next syllable: up to `most` letters that are all alphanumeric, or all not.
fn syllable(letters: &[char], most: usize) -> usize {
    let spoken = letters.first().is_some_and(|letter| letter.is_alphanumeric());
    letters
        .iter()
        .take(most)
        .take_while(|letter| letter.is_alphanumeric() == spoken && !wide(**letter))
        .count()
        .max(1)
}

/// Renders a melody as mono samples from -1 to 1. Each note swells and fades to avoid clicks.
pub fn play(notes: &[Note], rate: u32, volume: f64) -> Vec<f32> {
    let rate = f64::from(rate);
    let loudness = (LOUDNESS * volume).min(0.9);
    let mut samples = Vec::new();
    let mut end = 0.0;
    for note in notes {
        end += note.seconds;
        let start = samples.len();
        let length = whole(end * rate).saturating_sub(start);
        match note.pitch {
            None => samples.resize(start + length, 0.0),
            Some(pitch) => {
                let step = std::f64::consts::TAU * pitch / rate;
                samples.extend((0..length).map(|at| {
                    let (at, length) = (real(at), real(length));
                    let swell = (std::f64::consts::PI * (at + 0.5) / length).sin();
                    let wave = (step * at).sin() + 0.3 * (2.0 * step * at).sin();
                    single(loudness * swell * wave / 1.3)
                }));
            }
        }
    }
    samples
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of seconds to minutes")]
fn whole(samples: f64) -> usize {
    samples.round() as usize
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "less precision is wanted")]
fn single(sample: f64) -> f32 {
    sample as f32
}
