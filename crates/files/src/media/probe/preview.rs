//! Makes images small enough for a model.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Rgb, RgbImage};

use crate::media::units::size;

/// The memory limit of a decoder: an RGB image of 80 million pixels. Larger images are refused by their header.
const MEMORY: u64 = 256 * 1024 * 1024;
const LONGEST_SIDE: u32 = 32_768;

/// An image with more pixels needs at least one byte per [`PIXELS_A_BYTE`] pixels. Every photograph has that. A
/// decompression bomb does not: two thousand bytes can hold 53 million pixels and cost a second of CPU time.
const FREE_PIXELS: u64 = 16_000_000;
const PIXELS_A_BYTE: u64 = 1000;

/// JPEG qualities, tried in this order until the result is small enough.
const QUALITIES: [u8; 4] = [85, 75, 60, 45];

/// A small JPEG of an image.
#[derive(Debug)]
pub struct Preview {
    /// The JPEG, within the requested limits.
    pub jpeg: Vec<u8>,
    /// The width and height of the JPEG in pixels.
    pub size: (u32, u32),
    /// The width and height of the original in pixels, after rotation.
    pub original: (u32, u32),
}

/// Makes a JPEG of at most `max_side` pixels per side and `max_bytes` bytes. Blocks for up to two seconds and uses up
/// to 256 MiB of memory, so the caller must limit how many run at once.
///
/// Decodes JPEG, PNG and WebP. Applies the camera's rotation and puts transparent images on white. The error is a
/// sentence without a subject.
pub fn preview(bytes: &Bytes, max_side: u32, max_bytes: usize) -> Result<Preview, String> {
    // Some decoders panic on malicious files. Such a file must not kill the call.
    let drawn = std::panic::catch_unwind(|| draw(bytes, max_side, max_bytes));
    drawn.unwrap_or_else(|_| Err("is damaged".to_owned()))
}

fn draw(bytes: &Bytes, max_side: u32, max_bytes: usize) -> Result<Preview, String> {
    shrink(decode(bytes)?, max_side, max_bytes)
}

/// Like [`preview`], for an image that is already decoded.
pub fn shrink(image: DynamicImage, max_side: u32, max_bytes: usize) -> Result<Preview, String> {
    let original = (image.width(), image.height());
    let mut side = max_side.max(16);
    let fits = image.width() <= side && image.height() <= side;
    let mut small = if fits { image } else { smaller(image, side) };
    loop {
        let flat = flatten(&small);
        for quality in QUALITIES {
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, quality)
                .encode_image(&flat)
                .map_err(|error| format!("cannot be encoded: {error}"))?;
            if jpeg.len() <= max_bytes || side <= 16 {
                return Ok(Preview { jpeg, size: flat.dimensions(), original });
            }
        }
        side = side.min(small.width().max(small.height())) * 3 / 4;
        small = small.resize(side, side, FilterType::Triangle);
    }
}

/// Filtering fifty million pixels takes longer than decoding them, so a much larger image is first averaged down to
/// about twice the size.
fn smaller(image: DynamicImage, side: u32) -> DynamicImage {
    let twice = side.saturating_mul(2);
    let large = image.width().max(image.height()) > twice.saturating_mul(2);
    let image = if large { image.thumbnail(twice, twice) } else { image };
    image.resize(side, side, FilterType::Triangle)
}

fn decode(bytes: &Bytes) -> Result<DynamicImage, String> {
    let reader = ImageReader::new(Cursor::new(bytes));
    let mut reader = reader.with_guessed_format().map_err(|error| format!("cannot be read: {error}"))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let bad = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => "is too large to show".to_owned(),
        error => format!("cannot be decoded: {error}"),
    };
    let mut decoder = reader.into_decoder().map_err(bad)?;
    if decoder.total_bytes() > MEMORY {
        let (width, height) = decoder.dimensions();
        return Err(format!("is {width} x {height} pixels, too large to show"));
    }
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > FREE_PIXELS && pixels / PIXELS_A_BYTE > bytes.len() as u64 {
        return Err(format!(
            "is {width} x {height} pixels in {}, which is suspicious; make it smaller, at most {} pixels",
            size(bytes.len() as u64),
            FREE_PIXELS
        ));
    }
    // An unreadable orientation is not a reason to refuse the image.
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(bad)?;
    image.apply_orientation(turned);
    Ok(image)
}

/// JPEG has no transparency, and transparent pixels are often black.
fn flatten(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let (width, height) = (image.width(), image.height());
    let mut white = DynamicImage::from(RgbImage::from_pixel(width, height, Rgb([255; 3]))).to_rgba8();
    imageops::overlay(&mut white, &image.to_rgba8(), 0, 0);
    DynamicImage::from(white).to_rgb8()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(image: &DynamicImage, format: image::ImageFormat) -> Bytes {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner().into()
    }

    #[test]
    fn a_large_noisy_picture_becomes_small_in_pixels_and_bytes() {
        let mut seed = 7_u32;
        let noise = RgbImage::from_fn(2400, 1200, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = seed.to_be_bytes();
            Rgb([a, b, c])
        });
        let bytes = encoded(&noise.into(), image::ImageFormat::Png);
        let preview = preview(&bytes, 1024, 100_000).unwrap();
        assert!(preview.jpeg.len() <= 100_000, "{}", preview.jpeg.len());
        assert!(preview.size.0 <= 1024 && preview.size.0 == preview.size.1 * 2, "{:?}", preview.size);
        assert_eq!(preview.original, (2400, 1200));
    }

    #[test]
    fn transparency_is_shown_on_white() {
        let clear = image::RgbaImage::from_pixel(8, 8, image::Rgba([0, 0, 0, 0]));
        let bytes = encoded(&clear.into(), image::ImageFormat::Png);
        let preview = preview(&bytes, 64, 100_000).unwrap();
        let seen = image::load_from_memory(&preview.jpeg).unwrap().to_rgb8();
        assert!(seen.pixels().all(|pixel| pixel.0.iter().all(|part| *part > 250)));
    }

    #[test]
    fn a_header_that_declares_too_much_is_refused_before_anything_is_decoded() {
        // A PNG of 60,000 by 60,000 pixels without data.
        let mut bytes = encoded(&DynamicImage::new_rgb8(1, 1), image::ImageFormat::Png).to_vec();
        bytes.splice(16..24, [60_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat());
        let checksum = crc(bytes.get(12..29).unwrap());
        bytes.splice(29..33, checksum.to_be_bytes());
        let problem = preview(&bytes.into(), 1024, 500_000).unwrap_err();
        assert!(problem.contains("too large"), "{problem}");
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        for side in [4001, 7290] {
            let flat = encoded(&DynamicImage::new_rgb8(side, side), image::ImageFormat::WebP);
            let problem = preview(&flat, 1024, 500_000).unwrap_err();
            assert!(problem.contains("pixels in") && problem.contains("make it smaller"), "{problem}");
        }
        // A flat image of the usual size is accepted, and so is a large one with content.
        let flat = encoded(&DynamicImage::new_rgb8(4000, 4000), image::ImageFormat::WebP);
        assert_eq!(preview(&flat, 64, 500_000).unwrap().original, (4000, 4000));
        let dots = RgbImage::from_fn(5000, 5000, |x, y| Rgb([u8::from((x ^ y) % 7 == 0) * 255; 3]));
        let dots = encoded(&dots.into(), image::ImageFormat::Png);
        assert_eq!(preview(&dots, 64, 500_000).unwrap().size, (64, 64));
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }
}
