//! Encodes sound in all formats of the speech API.

use flacenc::component::BitRepr;
use flacenc::error::Verify;
use opus_rs::{Application, OpusEncoder};
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

/// How a sound is encoded ("T2A v2 > audio_setting").
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub format: Format,
    /// In hertz.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// In bits per second; only used for MP3.
    pub bitrate: u32,
}

/// The audio formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Mp3,
    /// Raw samples: signed 16-bit, little-endian.
    Pcm,
    Flac,
    Wav,
    /// Raw µ-law bytes.
    PcmuRaw,
    /// µ-law in a WAV file.
    PcmuWav,
    /// Opus in Ogg.
    Opus,
}

/// An encoded sound.
#[derive(Debug)]
pub struct Sound {
    pub bytes: Vec<u8>,
    pub milliseconds: u64,
    /// The actual bit rate.
    pub bitrate: u64,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Format {
    /// The format with this name in the API; MP3 by default.
    pub fn named(name: &str) -> Self {
        match name {
            "pcm" => Self::Pcm,
            "flac" => Self::Flac,
            "wav" => Self::Wav,
            "pcmu_raw" => Self::PcmuRaw,
            "pcmu_wav" => Self::PcmuWav,
            "opus" => Self::Opus,
            _ => Self::Mp3,
        }
    }

    /// The usual file name extension.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Pcm => "pcm",
            Self::Flac => "flac",
            Self::Wav | Self::PcmuWav => "wav",
            Self::PcmuRaw => "pcmu",
            Self::Opus => "opus",
        }
    }
}

impl Setting {
    /// The sample rate for rendering. Opus supports only some rates.
    pub fn render_rate(&self) -> u32 {
        const OPUS: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];
        match self.format {
            Format::Opus => OPUS.into_iter().find(|rate| *rate >= self.rate).unwrap_or(48_000),
            _ => self.rate,
        }
    }

    /// Encodes samples that were rendered at [`Setting::render_rate`].
    pub fn encode(&self, samples: &[f32]) -> Result<Sound, Failure> {
        let bytes = match self.format {
            Format::Mp3 => self.mp3(samples)?,
            Format::Pcm => self.spread(samples).flat_map(i16::to_le_bytes).collect(),
            Format::PcmuRaw => self.spread(samples).map(mu_law).collect(),
            Format::Wav => self.wav(1, 2, self.spread(samples).flat_map(i16::to_le_bytes).collect()),
            Format::PcmuWav => self.wav(7, 1, self.spread(samples).map(mu_law).collect()),
            Format::Flac => self.flac(samples)?,
            Format::Opus => self.opus(samples)?,
        };
        let milliseconds = samples.len() as u64 * 1000 / u64::from(self.render_rate().max(1));
        let bitrate = match self.format {
            Format::Mp3 => u64::from(self.mp3_kbps()) * 1000,
            _ => bytes.len() as u64 * 8000 / milliseconds.max(1),
        };
        Ok(Sound { bytes, milliseconds, bitrate })
    }

    /// 16-bit samples, each repeated for every channel.
    fn spread<'a>(&self, samples: &'a [f32]) -> impl Iterator<Item = i16> + use<'a> {
        let channels = usize::from(self.channels);
        samples.iter().flat_map(move |sample| std::iter::repeat_n(sixteen_bit(*sample), channels))
    }

    /// At the lower sample rates of MPEG-2 and 2.5 the maximum is 160 kbit/s.
    fn mp3_kbps(&self) -> u32 {
        let most = if self.rate >= 32_000 { 320 } else { 160 };
        (self.bitrate / 1000).min(most)
    }

    fn mp3(&self, samples: &[f32]) -> Result<Vec<u8>, Failure> {
        let config = Mp3EncoderConfig { bitrate_kbps: self.mp3_kbps(), vbr_quality: None };
        let mut encoder = Mp3Encoder::new(config);
        let spread: Vec<i16> = self.spread(samples).collect();
        encoder.push_pcm_s16(&spread, self.channels, self.rate).map_err(|failure| format!("{failure:?}"))?;
        encoder.finish();
        Ok(std::iter::from_fn(|| encoder.next_packet().ok()).flatten().collect())
    }

    /// Writes the 44-byte WAV header by hand: the crates that write WAV do not support µ-law. `tag` is 1 for PCM and 7 for
    /// µ-law.
    fn wav(&self, tag: u16, width: u16, data: Vec<u8>) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX - 36);
        let frame = width * self.channels;
        let mut file = Vec::with_capacity(data.len() + 44);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(length.saturating_add(36)).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&self.channels.to_le_bytes());
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&(self.rate * u32::from(frame)).to_le_bytes());
        file.extend_from_slice(&frame.to_le_bytes());
        file.extend_from_slice(&(width * 8).to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend(data);
        file
    }

    fn flac(&self, samples: &[f32]) -> Result<Vec<u8>, Failure> {
        let spread: Vec<i32> = self.spread(samples).map(i32::from).collect();
        let (channels, rate) = (usize::from(self.channels), usize::try_from(self.rate)?);
        let config = flacenc::config::Encoder::default()
            .into_verified()
            .map_err(|(_, problem)| problem.to_string())?;
        let source = flacenc::source::MemSource::from_samples(&spread, channels, 16, rate);
        let stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
            .map_err(|failure| format!("{failure:?}"))?;
        let mut sink = flacenc::bitsink::ByteSink::new();
        stream.write(&mut sink).map_err(|failure| format!("{failure:?}"))?;
        Ok(sink.as_slice().to_vec())
    }

    fn opus(&self, samples: &[f32]) -> Result<Vec<u8>, Failure> {
        const SERIAL: u32 = 1;
        /// Samples at 48 kHz that a decoder drops at the start; the value of libopus.
        const PRE_SKIP: u16 = 312;
        /// Samples per 20 ms frame at 48 kHz, in which Ogg positions are counted at any sample rate.
        const FRAME_AT_48: usize = 960;
        let rate = self.render_rate();
        let size = usize::try_from(rate / 50)?;
        let mut encoder = OpusEncoder::new(i32::try_from(rate)?, 1, Application::Audio)?;
        encoder.bitrate_bps = 32_000;
        let mut head = b"OpusHead\x01".to_vec();
        head.push(u8::try_from(self.channels)?);
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&self.rate.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        let mut tags = b"OpusTags\x07\0\0\0sandbox".to_vec();
        tags.extend_from_slice(&[0; 4]);
        let mut file = Vec::new();
        let mut writer = ogg::PacketWriter::new(&mut file);
        writer.write_packet(head, SERIAL, ogg::PacketWriteEndInfo::EndPage, 0)?;
        writer.write_packet(tags, SERIAL, ogg::PacketWriteEndInfo::EndPage, 0)?;
        let total = samples.len() * FRAME_AT_48 / size + usize::from(PRE_SKIP);
        let frames = total.div_ceil(FRAME_AT_48);
        let mut pieces = samples.chunks(size);
        for number in 0..frames {
            let end = number + 1 == frames;
            let mut frame = pieces.next().unwrap_or_default().to_vec();
            frame.resize(size, 0.0);
            let mut packet = vec![0; 1500];
            let length = encoder.encode(&frame, size, &mut packet)?;
            packet.truncate(length);
            // The position of the last page tells decoders to drop the padding of the last frame.
            let position = ((number + 1) * FRAME_AT_48).min(total);
            let info = match number {
                _ if end => ogg::PacketWriteEndInfo::EndStream,
                _ if number % 50 == 49 => ogg::PacketWriteEndInfo::EndPage,
                _ => ogg::PacketWriteEndInfo::NormalPacket,
            };
            writer.write_packet(packet, SERIAL, info, position as u64)?;
        }
        drop(writer);
        Ok(file)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a sample in -1 to 1; the cast saturates")]
fn sixteen_bit(sample: f32) -> i16 {
    (sample * 32_767.0) as i16
}

/// ITU-T G.711 µ-law: sign, three exponent bits, four mantissa bits, all inverted.
fn mu_law(sample: i16) -> u8 {
    const BIAS: u16 = 0x84;
    const CLIP: u16 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(CLIP) + BIAS;
    // The highest set bit is between 7 and 14.
    let exponent = 8_u32.saturating_sub(magnitude.leading_zeros());
    let mantissa = u8::try_from(magnitude >> (exponent + 3) & 0x0f).unwrap_or_default();
    let exponent = u8::try_from(exponent).unwrap_or_default();
    !(sign | exponent << 4 | mantissa)
}
