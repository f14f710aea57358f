//! The waveform of audio, as a small SVG.

use std::fmt::Write as _;
use std::io::Cursor;

use bytes::Bytes;
use hound::{SampleFormat, WavReader};
use rusty_mp3::Mp3Decoder;

/// How much of an MP3 is decoded at a time, in bytes. It bounds the memory for decoded samples to a few mebibytes.
const PIECE: usize = 64 * 1024;

/// The number of samples per value in a WAV: a twenty-fifth of a second at 44.1 kHz and one channel.
const SAMPLES: usize = 1764;

/// The most values of a file: more than an hour.
const VALUES: usize = 200_000;

/// The number of bars.
const BARS: usize = 80;

/// The width of a bar with the gap after it, and the height of the picture, in SVG units.
const STEP: usize = 5;
const HEIGHT: f32 = 100.0;

/// A grey blue that is visible on light and dark backgrounds.
const COLOUR: &str = "#7186ad";

/// The waveform of an MP3 or WAV, as an SVG without scripts, styles and references. `None` if it cannot be decoded. Blocking.
pub fn wave(sound: &Bytes, mime: &str) -> Option<String> {
    let values = match mime {
        "audio/mpeg" => of_mp3(sound),
        "audio/wav" => of_wav(sound)?,
        _ => return None,
    };
    let bars = bars(&values);
    let loudest = bars.iter().copied().fold(0.0, f32::max);
    (!bars.is_empty() && loudest.is_finite()).then(|| svg(&bars, loudest))
}

/// The peak of every frame.
fn of_mp3(sound: &[u8]) -> Vec<f32> {
    let (mut decoder, mut values) = (Mp3Decoder::new(), Vec::new());
    for piece in sound.chunks(PIECE) {
        decoder.push(piece);
        while let Ok(frame) = decoder.next_frame() {
            values.push(peak(&frame.samples));
        }
        if values.len() > VALUES {
            break;
        }
    }
    values
}

fn of_wav(sound: &Bytes) -> Option<Vec<f32>> {
    let mut reader = WavReader::new(Cursor::new(sound)).ok()?;
    let spec = reader.spec();
    let most = VALUES.saturating_mul(SAMPLES);
    // A file that ends early has a waveform up to its end.
    Some(match spec.sample_format {
        SampleFormat::Float => fold(reader.samples::<f32>().map_while(Result::ok).take(most)),
        SampleFormat::Int => {
            let loudest = 2.0_f32.powi(i32::from(spec.bits_per_sample.clamp(1, 32)) - 1);
            let samples = reader.samples::<i32>().map_while(Result::ok).take(most);
            #[expect(clippy::cast_precision_loss, reason = "a bar needs no more than 24 bits")]
            let samples = samples.map(|sample| sample as f32 / loudest);
            fold(samples)
        }
    })
}

/// The peak of every [`SAMPLES`] samples.
fn fold(samples: impl Iterator<Item = f32>) -> Vec<f32> {
    let (mut values, mut part) = (Vec::new(), Vec::with_capacity(SAMPLES));
    for sample in samples {
        part.push(sample);
        if part.len() == SAMPLES {
            values.push(peak(&part));
            part.clear();
        }
    }
    if !part.is_empty() {
        values.push(peak(&part));
    }
    values
}

fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |most: f32, sample| if sample.is_finite() { most.max(sample.abs()) } else { most })
}

/// The values as at most [`BARS`] bars of equal duration.
fn bars(values: &[f32]) -> Vec<f32> {
    let count = BARS.min(values.len());
    let edge = |bar: usize| values.len() * bar / count.max(1);
    (0..count).filter_map(|bar| Some(peak(values.get(edge(bar)..edge(bar + 1))?))).collect()
}

fn svg(bars: &[f32], loudest: f32) -> String {
    let mut lines = String::new();
    for (number, bar) in bars.iter().enumerate() {
        let part = if loudest > 0.0 { bar / loudest } else { 0.0 };
        // Silence is a dot.
        let height = (part * (HEIGHT - 8.0)).max(1.0);
        let _ = write!(lines, "M{} {:.0}v{height:.0}", number * STEP + 3, (HEIGHT - height) / 2.0);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\"><path d=\"{lines}\" stroke=\"{COLOUR}\" \
         stroke-width=\"3\" stroke-linecap=\"round\"/></svg>",
        bars.len() * STEP + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV that is loud for a second, silent for a second, and half as loud for a second.
    fn wav(bits: u16, format: SampleFormat) -> Bytes {
        let spec =
            hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: bits, sample_format: format };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        for number in 0..24_000_u16 {
            let loudness = [0.8, 0.0, 0.4][usize::from(number / 8000)];
            let sample: f32 = if number % 20 < 10 { loudness } else { -loudness };
            match format {
                SampleFormat::Float => writer.write_sample(sample).unwrap(),
                SampleFormat::Int => {
                    let most = f64::from(2.0_f32).powi(i32::from(bits) - 1) - 1.0;
                    #[expect(clippy::cast_possible_truncation, reason = "it is below `most`")]
                    writer.write_sample((f64::from(sample) * most) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        file.into_inner().into()
    }

    /// The heights of the bars.
    fn heights(svg: &str) -> Vec<u32> {
        let (_, path) = svg.split_once("d=\"").unwrap();
        let path = path.split('"').next().unwrap();
        path.split('M').skip(1).map(|line| line.split_once('v').unwrap().1.parse().unwrap()).collect()
    }

    #[test]
    fn the_bars_of_a_wav_follow_its_loudness() {
        for (bits, format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            let svg = wave(&wav(bits, format), "audio/wav").unwrap();
            let heights = heights(&svg);
            let third = heights.len() / 3;
            assert_eq!((heights[1], heights[third + 1]), (92, 1), "{bits}: {heights:?}");
            assert!(heights[2 * third + 1].abs_diff(46) <= 1, "{bits}: {heights:?}");
            assert!(svg.len() < 2000 && !svg.contains("script") && !svg.contains("href"), "{svg}");
        }
    }

    #[test]
    fn an_mp3_is_drawn_with_a_bounded_number_of_bars() {
        // Made with LAME: loud for a second, silent for a second, and half as loud for a second.
        let svg = wave(&Bytes::from_static(include_bytes!("fixtures/tone.mp3")), "audio/mpeg").unwrap();
        let heights = heights(&svg);
        let third = heights.len() / 3;
        assert!((40..=BARS).contains(&heights.len()), "{heights:?}");
        assert!(heights[third / 2] > 80 && heights[third + third / 2] < 5, "{heights:?}");
        assert!((35..60).contains(&heights[2 * third + third / 2]), "{heights:?}");
    }

    #[test]
    fn a_file_that_cannot_be_decoded_has_no_waveform() {
        for (sound, mime) in [
            (&b""[..], "audio/mpeg"),
            (b"no sound", "audio/mpeg"),
            (b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0", "audio/wav"),
            (b"", "audio/wav"),
            (b"fLaC", "audio/flac"),
        ] {
            assert_eq!(wave(&Bytes::from_static(sound), mime), None, "{mime}");
        }
        let whole = wav(16, SampleFormat::Int);
        assert!(wave(&whole.slice(..whole.len() / 2), "audio/wav").is_some(), "up to where it ends");
    }
}
