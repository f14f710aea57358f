//! Media inputs that a model names.

use std::fs;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use minimax_mcp::media::probe::{metadata, sniff};
use minimax_mcp::media::{Blob, InputProblem, Kind, Limits, Reference, Roots, check_now, load, parse};

use super::files::{flac, jpeg, mp3, mp4, png, wav};
use super::world::{House, IMAGES};

#[test]
fn every_form_of_a_media_input_is_understood() {
    let home = std::env::temp_dir();
    let parsed = |text: &str| parse(text, Some(&home)).unwrap();
    let url = "https://example.com/a.png?X=1";
    assert_eq!(parsed(&format!(" {url} ")), Reference::Url(url.into()));
    for text in ["mm_file://123456", "MM_FILE://123456", " Mm_File://00123456 "] {
        assert_eq!(parsed(text), Reference::Uploaded(123_456), "{text}");
    }
    let made = Reference::Made { job: "j-4f7k".into(), name: "füchse 2.jpg".into() };
    assert_eq!(parsed("minimax://files/j-4f7k/f%C3%BCchse%202.jpg"), made);
    assert_eq!(parsed("~/cat.png"), Reference::Path(home.join("cat.png")));
    assert_eq!(parsed(r"C:\Users\ann\cat.png"), Reference::Path(r"C:\Users\ann\cat.png".into()));
    assert_eq!(parsed("d:/cat.png"), Reference::Path("d:/cat.png".into()));
    let path = home.join("a cat.png");
    assert_eq!(parsed(path.to_str().unwrap()), Reference::Path(path.clone()));
    assert_eq!(parsed(url::Url::from_file_path(&path).unwrap().as_str()), Reference::Path(path));
}

#[test]
fn a_form_that_cannot_be_read_says_what_to_write() {
    let bare = BASE64.encode(&jpeg(300, 300).repeat(3));
    assert!(bare.starts_with("/9j/"));
    let long = BASE64.encode(&png(300, 300, 300));
    for (text, says) in [
        ("", "is empty"),
        ("cat.png", "absolute path"),
        ("./cat.png", "absolute path"),
        ("a:b.png", "absolute path"),
        (bare.as_str(), "data URI"),
        (&long, "data URI"),
        ("ftp://example.com/x", "`ftp:`"),
        ("blob:https://x/1", "`blob:`"),
        ("mm_file://", "mm_file://ID"),
        ("mm_file:12", "mm_file://ID"),
        ("mm_file://a/b", "mm_file://ID"),
        ("mm_file://12.0", "mm_file://ID"),
        ("mm_file://+12", "mm_file://ID"),
        ("mm_file://12/", "mm_file://ID"),
        ("mm_file:///12", "mm_file://ID"),
        ("mm_file:// 12", "mm_file://ID"),
        ("mm_file://12?x=1", "mm_file://ID"),
        ("mm_file://%31%32", "mm_file://ID"),
        ("mm_file://\u{ff11}\u{ff12}", "mm_file://ID"),
        ("mm_file://18446744073709551616", "mm_file://ID"),
        ("minimax://files/j", "minimax://files/{job}/{name}"),
        ("minimax://files/j/..%2fx", "minimax://files/"),
        ("minimax://files/../x", "minimax://files/"),
        ("https://", "https://host/path"),
        ("http:/x", "https://host"),
        ("data:image/png;base64,%%%", "data:image/png;base64"),
        ("data:,", "no content"),
        ("~/x", "home directory"),
    ] {
        let problem = parse(text, None).unwrap_err().to_string();
        assert!(problem.contains(says), "{text}: {problem}");
    }
}

#[test]
fn the_type_of_a_data_uri_is_that_of_its_bytes() {
    let bytes = png(300, 400, 5000);
    let Reference::Data(blob) =
        parse(&format!("data:image/JPEG;base64,{}", BASE64.encode(&bytes)), None).unwrap()
    else {
        panic!("not data");
    };
    assert_eq!(
        (blob.mime, blob.kind, blob.width, blob.height),
        ("image/png", Kind::Image, Some(300), Some(400))
    );
    assert_eq!(blob.data_uri(), format!("data:image/png;base64,{}", BASE64.encode(&bytes)));
    check_now(&blob, &IMAGES).unwrap();
    let problem = check_now(&blob, &Limits { max_bytes: 4999, ..IMAGES }).unwrap_err().to_string();
    assert_eq!(problem, "is 5,000 bytes; the limit is 4,999 bytes");
    let Reference::Data(text) = parse("data:text/plain,a%20cat", None).unwrap() else { panic!("not data") };
    assert_eq!((&text.bytes[..], text.mime), (&b"a cat"[..], "text/plain"));
    assert!(!format!("{text:?}").contains("cat"));
    let huge = format!("data:image/png;base64,{}", "A".repeat(64 * 1024 * 1024));
    assert!(matches!(parse(&huge, None), Err(InputProblem::TooLarge { .. })));
}

#[tokio::test]
async fn a_picture_with_the_wrong_name_gets_its_real_type() {
    let house = House::new();
    let blob = house.load(&house.put("cat.jpg", png(800, 600, 2000))).await.unwrap();
    assert_eq!(
        (blob.mime, blob.width, blob.height, blob.bytes.len()),
        ("image/png", Some(800), Some(600), 2000)
    );
    let blob = house.load(&house.put("cat", jpeg(500, 400))).await.unwrap();
    assert_eq!((blob.mime, blob.width, blob.height), ("image/jpeg", Some(500), Some(400)));
}

#[tokio::test]
async fn a_private_key_is_not_an_image_and_not_repeated() {
    let house = House::new();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----\n";
    let path = house.put("cat.png", key);
    let problem = house.load(&path).await.unwrap_err();
    assert_eq!(problem.to_string(), "is a text file; must be JPEG, PNG or WebP");
    assert!(!format!("{problem:?}").contains("b3Blb"));
    let text = Limits::new(&["text/plain"], 1000);
    load(&path, &house.roots, &text).await.unwrap_err();
    load(&house.put("poem.txt", "Ein Fuchs\n"), &house.roots, &text).await.unwrap();
}

#[tokio::test]
async fn the_rule_that_a_picture_breaks_is_named() {
    let house = House::new();
    for (bytes, says) in [
        (png(60_000, 60_000, 99), "is 60,000 x 60,000 pixels; each side must be 256 to 5,760"),
        (png(200, 900, 99), "is 200 x 900 pixels; each side must be 256 to 5,760"),
        (png(900, 300, 99), "is 900 x 300 pixels; width / height is 3.00 and must be 0.4 to 2.5"),
        (png(400, 400, 1_000_001), "is 1,000,001 bytes; the limit is 1,000,000"),
        (png(0, 0, 99), "is damaged"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "is damaged"),
        (vec![], "has no content (0 bytes)"),
        (b"GIF89a\x00\x04\x00\x04\x00\x00\x00".to_vec(), "is a GIF file"),
        (vec![0xc3, 0x28, 0, 1, 2], "is of a type that cannot be recognised"),
        (b"BMW builds cars".to_vec(), "is a text file"),
    ] {
        assert!(house.refusal(&house.put("x", bytes)).await.contains(says), "{says}");
    }
    let unlimited = Limits::new(&["image/png"], 1000);
    let problem =
        load(&house.put("bomb", png(60_000, 60_000, 99)), &house.roots, &unlimited).await.unwrap_err();
    assert!(problem.to_string().contains("250,000,000 pixels"), "{problem}");
    let long = Limits { duration_ms: Some((2000, 15_000)), ..Limits::new(&["audio/wav"], 1_000_000) };
    load(&house.put("ok.wav", wav(2)), &house.roots, &long).await.unwrap();
    let problem = load(&house.put("short.wav", wav(1)), &house.roots, &long).await.unwrap_err();
    assert_eq!(problem.to_string(), "is 1 s long; must be 2 to 15 s");
}

#[tokio::test]
async fn a_file_outside_is_refused_whether_it_exists_or_not() {
    for house in House::each() {
        let there = house.secret.join("cat.png");
        fs::write(&there, png(300, 300, 99)).unwrap();
        let dotted = house.allowed.join("..").join("private").join("cat.png");
        for path in
            [there, house.secret.join("nothing.png"), dotted, house.allowed.join("../private/nothing.png")]
        {
            let problem = house.load(&path).await.unwrap_err();
            assert!(matches!(problem, InputProblem::Outside { .. }), "{problem}");
            let allowed = house.allowed.display().to_string();
            assert!(problem.to_string().contains(&format!("may read: {allowed}. Copy")), "{problem}");
        }
        assert!(house.refusal(&house.allowed.join("none.png")).await.ends_with("does not exist"));
        assert!(house.refusal(&house.allowed).await.ends_with("is not an ordinary file"));
        assert!(house.refusal(Path::new("relative.png")).await.contains("not an absolute path"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_inside_the_folders_and_not_out_of_them() {
    use std::os::unix::fs::symlink;
    for house in House::each() {
        let secret = house.secret.join("cat.png");
        fs::write(&secret, png(300, 300, 99)).unwrap();
        let real = house.put("real.png", png(300, 300, 99));
        symlink(&secret, house.allowed.join("out.png")).unwrap();
        symlink(&house.secret, house.allowed.join("album")).unwrap();
        symlink(&real, house.allowed.join("in.png")).unwrap();
        symlink(house.allowed.join("nowhere"), house.allowed.join("dangling.png")).unwrap();
        house.load(&house.allowed.join("in.png")).await.unwrap();
        for name in ["out.png", "album/cat.png", "dangling.png"] {
            let problem = house.load(&house.allowed.join(name)).await.unwrap_err();
            assert!(matches!(problem, InputProblem::Outside { .. }), "{problem}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_refused_without_a_wait() {
    let house = House::new();
    let pipe = house.allowed.join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refusal = tokio::time::timeout(Duration::from_secs(10), house.refusal(&pipe)).await.unwrap();
    assert!(refusal.ends_with("is not an ordinary file"), "{refusal}");
    let device = Roots::new(Path::new("/dev"), None, &[]);
    let problem = load(Path::new("/dev/zero"), &device, &IMAGES).await.unwrap_err();
    assert!(matches!(problem, InputProblem::NotAFile { .. }), "{problem}");
}

#[test]
fn files_are_recognised_and_measured_by_their_content() {
    let told = |bytes: &[u8]| {
        let blob = Blob::new(bytes.to_vec().into());
        (blob.mime, blob.width.zip(blob.height), blob.duration_ms)
    };
    assert_eq!(told(&png(30, 40, 99)), ("image/png", Some((30, 40)), None));
    assert_eq!(told(&jpeg(30, 40)), ("image/jpeg", Some((30, 40)), None));
    assert_eq!(told(&wav(3)), ("audio/wav", None, Some(3000)));
    assert_eq!(told(&flac(5)), ("audio/flac", None, Some(5000)));
    let (mime, _, duration) = told(&mp3(200));
    assert_eq!(mime, "audio/mpeg");
    assert!(duration.is_some_and(|millis| (5000..5400).contains(&millis)), "{duration:?}");
    assert_eq!(told(&mp4(1280, 720, 5880, false)), ("video/mp4", Some((1280, 720)), Some(5880)));
    assert_eq!(told(&mp4(1920, 1080, 900, true)), ("video/mp4", Some((1080, 1920)), Some(900)));
    assert_eq!(told(&mp4(0, 0, u32::MAX, false)), ("video/mp4", None, None));
    assert_eq!(told(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").0, "image/heic");
    assert_eq!(told(b"%PDF-1.7\n\xe2\xe3\xcf\xd3").0, "application/pdf");
}

#[test]
fn damaged_and_hostile_files_are_measured_without_harm() {
    let good =
        [png(30, 40, 400), jpeg(30, 40), wav(1)[..600].to_vec(), flac(5), mp3(3), mp4(640, 360, 2000, false)];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    // Audio with zero channels, on which one parser fails.
    let opus =
        b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\0\0\0\x80\xbb\0\0\0\0\0";
    let mut comments = b"OggS\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\x10OpusTags".to_vec();
    comments.extend([0; 8]);
    let blob = Blob::new([&opus[..], &comments].concat().into());
    assert_eq!((blob.mime, blob.duration_ms), ("audio/ogg", None));
    for _ in 0..5000 {
        let mut bytes = good[random(good.len())].clone();
        for _ in 0..=random(6) {
            let place = random(bytes.len().min(400));
            bytes[place] = [0, 1, 0x7f, 0x80, 0xff, u8::try_from(random(256)).unwrap()][random(6)];
        }
        bytes.truncate(1 + random(bytes.len()));
        let found = sniff::sniff(&bytes);
        let facts = metadata::measure(std::io::Cursor::new(&bytes), found.mime);
        assert!(facts.width != Some(0) && facts.duration_ms != Some(0), "{facts:?}");
    }
}
