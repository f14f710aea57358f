//! Builds files of every kind from the definitions of their formats.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

/// A PNG of `length` bytes. Below 57 bytes it is only the start of one.
pub(crate) fn png(width: u32, height: u32, length: usize) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    let content = length.saturating_sub(57);
    file.extend(u32::try_from(content).unwrap().to_be_bytes());
    file.extend(b"IDAT");
    file.extend((0..).map(|n: usize| u8::try_from(n % 251).unwrap()).take(content));
    file.extend(b"\0\0\0\0\0\0\0\0IEND\xae\x42\x60\x82");
    file.truncate(length.max(29));
    file
}

pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08".to_vec();
    file.extend(height.to_be_bytes());
    file.extend(width.to_be_bytes());
    file.extend(b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xd9");
    file
}

pub(crate) fn wav(seconds: u32) -> Vec<u8> {
    let samples = seconds * 16_000;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + samples).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(samples.to_le_bytes());
    file.resize(file.len() + samples as usize, 0);
    file
}

pub(crate) fn mp3(frames: usize) -> Vec<u8> {
    // MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes and 26.12 ms a frame.
    let mut frame = vec![0xff, 0xfb, 0x90, 0x00];
    frame.resize(417, 0);
    frame.repeat(frames)
}

pub(crate) fn flac(seconds: u64) -> Vec<u8> {
    let mut file = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
    // 20 bits for the rate, 3 for channels - 1, 5 for depth - 1, 36 for samples.
    file.extend(((44_100_u64 << 44) | (1 << 41) | (15 << 36) | (44_100 * seconds)).to_be_bytes());
    file.extend([0; 16]);
    file.extend([0; 400]);
    file
}

pub(crate) fn boxed(name: &str, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut file = u32::try_from(content.len() + 8).unwrap().to_be_bytes().to_vec();
    file.extend(name.as_bytes());
    file.extend(content);
    file
}

pub(crate) fn mp4(width: u16, height: u16, millis: u32, quarter_turn: bool) -> Vec<u8> {
    let one = 0x0001_0000_u32.to_be_bytes();
    let none = [0; 4];
    let end = 0x4000_0000_u32.to_be_bytes();
    let matrix = if quarter_turn {
        [none, one, none, 0xffff_0000_u32.to_be_bytes(), none, none, none, none, end].concat()
    } else {
        [one, none, none, none, one, none, none, none, end].concat()
    };
    let header =
        [&[0; 12][..], &1000_u32.to_be_bytes(), &millis.to_be_bytes(), &one, &[0; 12], &matrix, &[0; 28]];
    let (wide, high) = (u32::from(width) << 16, u32::from(height) << 16);
    let picture = [
        &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..],
        &millis.to_be_bytes(),
        &[0; 16],
        &matrix,
        &wide.to_be_bytes(),
        &high.to_be_bytes(),
    ];
    let sound = [&[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2][..], &[0; 24], &matrix, &[0; 8]];
    let sound = boxed("trak", &[&boxed("tkhd", &sound)]);
    let picture = boxed("trak", &[&boxed("tkhd", &picture), &boxed("mdia", &[b"unknown"])]);
    let movie = boxed("moov", &[&boxed("mvhd", &header), &sound, &picture]);
    [boxed("ftyp", &[b"isom\0\0\0\0isomiso2mp41"]), boxed("mdat", &[&[7; 5000]]), movie].concat()
}
