//! Pictures: the prompt on a background that depends on prompt and seed.
//!
//! Everything is drawn as horizontal runs copied as slices, which is fast even in debug builds.

use std::path::Path;

use font8x8::{BASIC_FONTS, BLOCK_FONTS, GREEK_FONTS, HIRAGANA_FONTS, LATIN_FONTS, UnicodeFonts};
use image::{DynamicImage, ImageResult, RgbImage};
use sha2::{Digest, Sha256};

/// The contents of a picture.
#[derive(Debug)]
pub struct Scene<'a> {
    /// In pixels, at least 1.
    pub width: u32,
    pub height: u32,
    pub prompt: &'a str,
    /// The same seed and prompt give the same picture.
    pub seed: i64,
    /// A reference picture, shown scaled in a corner.
    pub reference: Option<&'a DynamicImage>,
}

type Colour = [u8; 3];

const WHITE: Colour = [250, 250, 250];
const INK: Colour = [24, 26, 34];

/// Glyphs are squares with sides of this many dots.
const GLYPH: usize = 8;

impl Scene<'_> {
    pub fn draw(&self) -> RgbImage {
        let hash = Sha256::digest(format!("{}\n{}", self.seed, self.prompt));
        let mut dice = hash.iter().copied().cycle();
        let mut canvas = Canvas::gradient(self.width as usize, self.height as usize, &mut dice);
        let edge = canvas.width.min(canvas.height);
        for _ in 0..6 {
            let mut roll = |range: usize| usize::from(dice.next().unwrap_or_default()) * range / 256;
            let centre = (roll(canvas.width), roll(canvas.height));
            let radius = edge / 16 + roll(edge / 4);
            canvas.disc(centre, radius, hue(roll(256), 190));
        }
        if let Some(reference) = self.reference {
            let small = reference.resize(
                self.width * 2 / 5,
                self.height * 2 / 5,
                image::imageops::FilterType::Triangle,
            );
            let margin = edge / 20;
            let bottom = canvas.height.saturating_sub(margin + small.height() as usize);
            canvas.paste(&small.to_rgb8(), (margin, bottom));
        }
        canvas.caption(self.prompt, self.reference.is_some());
        canvas.mark();
        // The buffer matches the size, so this cannot fail.
        RgbImage::from_raw(self.width, self.height, canvas.pixels).unwrap_or_default()
    }
}

/// Writes a JPEG. This function is not generic, so it is compiled inside the `image` crate, which is optimised even in
/// debug builds.
pub fn write_jpeg(picture: &RgbImage, path: &Path) -> ImageResult<()> {
    let colour = image::ExtendedColorType::Rgb8;
    image::save_buffer_with_format(
        path,
        picture.as_raw(),
        picture.width(),
        picture.height(),
        colour,
        image::ImageFormat::Jpeg,
    )
}

/// A colour by hue (0 to 255) and lightness.
fn hue(hue: usize, light: u8) -> Colour {
    let channel = |shift: usize| {
        let place = (hue + shift) % 256;
        let rise = if place < 128 { place } else { 255 - place };
        let part = u8::try_from(rise).unwrap_or(u8::MAX);
        (light / 2).saturating_add(part / 2)
    };
    [channel(0), channel(85), channel(170)]
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A diagonal gradient. One long row is computed, and each line is a slice of it that starts a little further right.
    fn gradient(width: usize, height: usize, dice: &mut impl Iterator<Item = u8>) -> Self {
        let start = usize::from(dice.next().unwrap_or_default());
        let (from, to) = (hue(start, 110), hue(start + 70, 190));
        let length = (width + height / 2).max(1);
        let mix = |at: usize, from: u8, to: u8| {
            let sum = usize::from(from) * (length - at) + usize::from(to) * at;
            u8::try_from(sum / length).unwrap_or(u8::MAX)
        };
        let ramp: Vec<u8> =
            (0..length).flat_map(|at| [0, 1, 2].map(|c| mix(at, pick(from, c), pick(to, c)))).collect();
        let mut pixels = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let start = y / 2 * 3;
            pixels.extend_from_slice(ramp.get(start..start + width * 3).unwrap_or_default());
        }
        pixels.resize(width * height * 3, 0);
        Self { width, height, pixels }
    }

    /// Draws a run of pixels, clipped to the canvas.
    fn run(&mut self, x: usize, y: usize, source: &[u8]) {
        let room = self.width.saturating_sub(x) * 3;
        let length = source.len().min(room);
        let start = (y * self.width + x) * 3;
        if y < self.height
            && let (Some(target), Some(source)) =
                (self.pixels.get_mut(start..start + length), source.get(..length))
        {
            target.copy_from_slice(source);
        }
    }

    fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        let line = colour.repeat(width);
        for row in y..y + height {
            self.run(x, row, &line);
        }
    }

    fn disc(&mut self, centre: (usize, usize), radius: usize, colour: Colour) {
        let line = colour.repeat(2 * radius + 1);
        for y in centre.1.saturating_sub(radius)..=centre.1 + radius {
            let half = (radius * radius).saturating_sub(y.abs_diff(centre.1).pow(2)).isqrt();
            let left = centre.0.saturating_sub(half);
            let length = centre.0 + half + 1 - left;
            self.run(left, y, line.get(..length * 3).unwrap_or_default());
        }
    }

    fn paste(&mut self, picture: &RgbImage, at: (usize, usize)) {
        let row = picture.width() as usize * 3;
        if row > 0 {
            for (y, line) in picture.as_raw().chunks_exact(row).enumerate() {
                self.run(at.0, at.1 + y, line);
            }
        }
    }

    /// Draws the prompt in the largest letters that fit, on a dark rectangle.
    fn caption(&mut self, prompt: &str, upper_half: bool) {
        let edge = self.width.min(self.height);
        let margin = edge / 20;
        let room = self.width.saturating_sub(4 * margin);
        let tall = if upper_half { self.height / 2 } else { self.height * 4 / 5 }.saturating_sub(4 * margin);
        let largest = (edge / 150).max(1);
        let fitting = (1..=largest).rev().find_map(|scale| {
            let lines = wrapped(prompt, room / (GLYPH * scale));
            (lines.len() * line_height(scale) <= tall || scale == 1).then_some((scale, lines))
        });
        let Some((scale, lines)) = fitting.filter(|(_, lines)| !lines.is_empty()) else { return };
        let shown = lines.len().min(tall / line_height(scale)).max(1);
        let widest = lines.iter().take(shown).map(|line| line.chars().count()).max().unwrap_or_default();
        let plate = (widest * GLYPH * scale + 2 * margin, shown * line_height(scale) + 2 * margin);
        self.rectangle(margin, margin, plate.0, plate.1, INK);
        for (row, line) in lines.iter().take(shown).enumerate() {
            self.text(line, (2 * margin, 2 * margin + row * line_height(scale)), scale, WHITE);
        }
    }

    /// Draws the word "sandbox", so that the picture is not mistaken for a real one.
    fn mark(&mut self) {
        const WORD: &str = "sandbox";
        let scale = (self.width.min(self.height) / 350).max(1);
        let (width, height) = (WORD.len() * GLYPH * scale, GLYPH * scale);
        let border = 2 * scale;
        // A little above the edge, where videos have their moving block.
        let below = height + 2 * border + self.height / 30;
        let at = (self.width.saturating_sub(width + 2 * border), self.height.saturating_sub(below));
        let plate = (width + 2 * border, height + 2 * border);
        self.rectangle(at.0.saturating_sub(border), at.1.saturating_sub(border), plate.0, plate.1, INK);
        self.text(WORD, at, scale, WHITE);
    }

    fn text(&mut self, line: &str, at: (usize, usize), scale: usize, colour: Colour) {
        let dot = colour.repeat(scale);
        for (column, letter) in line.chars().enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for bit in (0..GLYPH).filter(|bit| bits >> bit & 1 == 1) {
                    let x = at.0 + (column * GLYPH + bit) * scale;
                    for y in 0..scale {
                        self.run(x, at.1 + row * scale + y, &dot);
                    }
                }
            }
        }
    }
}

fn pick(colour: Colour, channel: usize) -> u8 {
    colour.get(channel).copied().unwrap_or_default()
}

fn line_height(scale: usize) -> usize {
    (GLYPH + 3) * scale
}

/// The dots of a letter: rows from the top, lowest bit at the left. Letters that the fonts lack are shown as a box.
fn glyph(letter: char) -> [u8; GLYPH] {
    const BOX: [u8; GLYPH] = [0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e, 0];
    BASIC_FONTS
        .get(letter)
        .or_else(|| LATIN_FONTS.get(letter))
        .or_else(|| GREEK_FONTS.get(letter))
        .or_else(|| HIRAGANA_FONTS.get(letter))
        .or_else(|| BLOCK_FONTS.get(letter))
        .unwrap_or(BOX)
}

/// Wraps a text at spaces, and inside words that are longer than a line.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(columns) {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + piece.len() <= columns => {
                    line.push(' ');
                    line.extend(piece);
                }
                _ => lines.push(piece.iter().collect()),
            }
        }
    }
    lines
}
