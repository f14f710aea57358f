//! Attacks with files: writing them, swapping them, or making a model name them.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use minimax_mcp::download::{folder, prepare, save};
use minimax_mcp::media::{
    Blob, InputProblem, Limits, Resendable, Roots, file_name, load, open_input, parse, preview,
};

use super::files::{boxed, flac, jpeg, mp4, png, wav};
#[cfg(unix)]
use super::world::names;
use super::world::{House, IMAGES, PICTURE};

const TEXT: Limits = Limits::new(&["text/plain"], 100_000);
const SOUND: Limits = Limits::new(&["audio/mpeg", "audio/wav", "audio/mp4"], 1_000_000);

/// Repeats an action on a separate thread until it is dropped.
#[cfg(unix)]
struct Meanwhile(std::sync::Arc<std::sync::atomic::AtomicBool>, Option<std::thread::JoinHandle<()>>);

#[cfg(unix)]
impl Meanwhile {
    fn again(mut act: impl FnMut() + Send + 'static) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering};
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                act();
            }
        });
        Self(stop, Some(thread))
    }
}

#[cfg(unix)]
impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_swapped_for_a_link_to_a_secret_never_gives_the_secret() {
    for house in House::each() {
        let (ours, secret) = (png(300, 300, 99), png(444, 444, 99));
        fs::write(house.secret.join("cat.png"), &secret).unwrap();
        let path = house.put("cat.png", &ours);
        let (aside, target) = (house.allowed.join("aside"), house.secret.join("cat.png"));
        let (place, mine) = (path.clone(), ours.clone());
        let swapping = Meanwhile::again(move || {
            std::os::unix::fs::symlink(&target, &aside).unwrap();
            fs::rename(&aside, &place).unwrap();
            fs::write(&aside, &mine).unwrap();
            fs::rename(&aside, &place).unwrap();
        });
        for _ in 0..4000 {
            if let Ok(blob) = house.load(&path).await {
                assert!(blob.bytes != secret, "the secret got out");
            }
        }
        drop(swapping);
        assert!(house.load(&path).await.unwrap().bytes == ours);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_swapped_for_a_link_to_a_secret_one_never_gives_the_secret() {
    for house in House::each() {
        let (ours, secret) = (png(300, 300, 99), png(444, 444, 99));
        fs::write(house.secret.join("cat.png"), &secret).unwrap();
        let album = house.allowed.join("album");
        fs::create_dir(&album).unwrap();
        fs::write(album.join("cat.png"), &ours).unwrap();
        let (aside, target, place) = (house.allowed.join("aside"), house.secret.clone(), album.clone());
        let swapping = Meanwhile::again(move || {
            fs::rename(&place, &aside).unwrap();
            std::os::unix::fs::symlink(&target, &place).unwrap();
            fs::remove_file(&place).unwrap();
            fs::rename(&aside, &place).unwrap();
        });
        for _ in 0..4000 {
            if let Ok(blob) = house.load(&album.join("cat.png")).await {
                assert!(blob.bytes != secret, "the secret got out");
            }
        }
        drop(swapping);
        // How many of them read something depends on how the two threads take turns: on a busy machine it may be none.
        assert!(house.load(&album.join("cat.png")).await.unwrap().bytes == ours);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_swapped_for_a_link_takes_no_result_elsewhere() {
    for house in House::each() {
        let results = house.allowed.join("results");
        fs::create_dir(&results).unwrap();
        let (aside, target, place) = (house.allowed.join("aside"), house.secret.clone(), results.clone());
        let swapping = Meanwhile::again(move || {
            fs::rename(&place, &aside).unwrap();
            std::os::unix::fs::symlink(&target, &place).unwrap();
            fs::remove_file(&place).unwrap();
            fs::rename(&aside, &place).unwrap();
        });
        for number in 0..300_u16 {
            let _ = save(png(300, 300 + u32::from(number), 99).into(), &results, "cat.png", &PICTURE).await;
        }
        drop(swapping);
        for name in names(&house.secret) {
            let file = house.secret.join(&name);
            assert!(name.starts_with(".minimax-") && file.metadata().unwrap().len() == 0, "{name}");
        }
        // Without interference it works, and a permanent link is refused.
        save(png(300, 300, 99).into(), &results, "cat.png", &PICTURE).await.unwrap();
        let link = house.allowed.join("link");
        std::os::unix::fs::symlink(&house.secret, &link).unwrap();
        save(png(300, 300, 99).into(), &link, "cat.png", &PICTURE).await.unwrap_err();
        assert!(!house.secret.join("cat.png").exists());
    }
}

#[tokio::test]
async fn hidden_files_and_folders_are_neither_read_nor_written() {
    let house = House::new();
    let home = house.allowed.parent().unwrap();
    let open = Roots::new(&home.join("results"), Some(home), &[home.to_owned()]);
    for hidden in [".ssh/cat.png", "Pictures/.thumbs/cat.png", ".cat.png", "Library/Keychains/cat.png"] {
        let path = home.join(hidden);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, png(300, 300, 99)).unwrap();
        let problem = load(&path, &open, &IMAGES).await.unwrap_err();
        assert!(matches!(problem, InputProblem::Hidden { .. }), "{problem}");
        // The error is the same for a missing file.
        let problem = load(&path.with_file_name("none"), &open, &IMAGES).await;
        assert!(problem.is_err_and(|problem| !problem.to_string().contains("cannot be read")));
    }
    load(&house.put("cat.png", png(300, 300, 99)), &open, &IMAGES).await.unwrap();
    for hidden in [".ssh", "a/.git/hooks", "~/.config/autostart", "~/Library/LaunchAgents"] {
        let problem = folder(home, Some(hidden), &open).unwrap_err().to_string();
        assert!(problem.contains("not allowed in a folder's name"), "{problem}");
    }
    // A folder that is allowed by its own name is intended.
    let named = Roots::new(&home.join("results"), Some(home), &[home.join(".ssh")]);
    load(&home.join(".ssh/cat.png"), &named, &IMAGES).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_harmless_name_that_leads_to_a_hidden_file_is_judged_by_where_it_leads() {
    let house = House::new();
    let home = house.allowed.parent().unwrap();
    let open = Roots::new(&home.join("results"), Some(home), &[home.to_owned()]);
    fs::create_dir(home.join(".ssh")).unwrap();
    fs::write(home.join(".ssh/id.png"), png(300, 300, 99)).unwrap();
    std::os::unix::fs::symlink(home.join(".ssh"), house.allowed.join("album")).unwrap();
    let problem = load(&house.allowed.join("album/id.png"), &open, &IMAGES).await.unwrap_err();
    assert!(matches!(problem, InputProblem::Hidden { .. }), "{problem}");
}

#[tokio::test]
async fn a_text_with_a_secret_is_refused_under_any_name() {
    for house in House::each() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n";
        // The key comes after the bytes that determine the type.
        let late = format!("{}{key}", "Once upon a time.\n".repeat(500));
        for (name, content) in [
            ("story.txt", late.as_str()),
            ("story.md", key),
            ("env.txt", "API_HOST=x\nAPI_PASS=hunter2\n"),
            ("notes.txt", "aws_secret_access_key = wJalrXUtnFEMI0K7MDENG1bPxRfiCYEXAMPLEKEY\n"),
            (
                "list.txt",
                "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
            ),
        ] {
            let problem = load(&house.put(name, content), &house.roots, &TEXT).await.unwrap_err();
            assert!(
                matches!(problem, InputProblem::Secret { .. } | InputProblem::Type { .. }),
                "{name}: {problem}"
            );
            assert!(!format!("{problem} {problem:?}").contains("hunter2"), "{problem:?}");
            open_input(&house.put(name, content), &house.roots, &TEXT).await.unwrap_err();
            // It is neither audio nor an image.
            for limits in [SOUND, IMAGES] {
                let problem =
                    load(&house.put("voice.mp3", content), &house.roots, &limits).await.unwrap_err();
                assert!(matches!(problem, InputProblem::Type { .. }), "{name}: {problem}");
            }
        }
        load(&house.put("story.txt", "Es war einmal.\n"), &house.roots, &TEXT).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_is_measured_before_it_is_read_and_not_read_beyond_its_limit() {
    let house = House::new();
    // A sparse file of one terabyte, which takes no space.
    let huge = house.put("huge.png", png(300, 300, 99));
    fs::OpenOptions::new().write(true).open(&huge).unwrap().set_len(1 << 40).unwrap();
    assert!(house.refusal(&huge).await.contains("1 TB; the limit is"));
    let growing = house.put("growing.wav", wav(2));
    let opened = open_input(&growing, &house.roots, &SOUND).await.unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&growing).unwrap();
    file.write_all(&[7; 5000]).unwrap();
    let chunks = Resendable::of(opened.content, opened.bytes).await.chunks();
    let sent: Vec<Bytes> = chunks.try_collect().await.unwrap();
    assert_eq!(sent.concat(), wav(2));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_grows_while_it_is_read_does_not_pass_its_limit() {
    for house in House::each() {
        let path = house.put("growing.png", png(300, 300, 900_000));
        let place = path.clone();
        let growing = Meanwhile::again(move || {
            let mut file = fs::OpenOptions::new().append(true).open(&place).unwrap();
            if file.metadata().unwrap().len() > 2_000_000 {
                file.set_len(900_000).unwrap();
            }
            file.write_all(&vec![7; 50_000]).unwrap();
        });
        for _ in 0..50 {
            if let Ok(blob) = house.load(&path).await {
                assert!(blob.bytes.len() <= 1_000_000, "{}", blob.bytes.len());
            }
        }
        drop(growing);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn sockets_devices_and_kernel_files_are_not_accepted() {
    use std::path::Path;

    let house = House::new();
    let socket = house.allowed.join("socket.png");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(house.refusal(&socket).await.ends_with("is not an ordinary file"));
    let everything = Roots::new(Path::new("/"), None, &[]);
    for path in ["/dev/zero", "/dev/tty", "/dev/null"] {
        let problem = load(Path::new(path), &everything, &TEXT).await.unwrap_err();
        assert!(matches!(problem, InputProblem::NotAFile { .. }), "{path}: {problem}");
    }
    if Path::new("/proc/self/environ").exists() {
        for path in ["/proc/self/environ", "/proc/self/fd/0", "/proc/self/maps"] {
            load(Path::new(path), &everything, &TEXT).await.unwrap_err();
        }
    }
}

/// A hard link looks like any other file, so only the content can give it away.
#[cfg(unix)]
#[tokio::test]
async fn a_second_name_of_a_key_is_refused_by_its_content() {
    for house in House::each() {
        let key = house.secret.join("id");
        fs::write(&key, "-----BEGIN RSA PRIVATE KEY-----\n").unwrap();
        fs::hard_link(&key, house.allowed.join("voice.mp3")).unwrap();
        for limits in [SOUND, IMAGES, TEXT] {
            load(&house.allowed.join("voice.mp3"), &house.roots, &limits).await.unwrap_err();
        }
    }
}

#[test]
fn paths_of_other_systems_and_other_people_are_not_guessed_at() {
    let home = PathBuf::from("/home/ann");
    for text in [
        "~",
        "~bob/cat.png",
        "$HOME/cat.png",
        "%USERPROFILE%\\cat.png",
        "file://host/share/cat.png",
        "file:///tmp/a%00b.png",
        "file:cat.png",
        "/tmp/a\0b.png",
        "/tmp/a\nb.png",
        "\\\\host\\share\\cat.png",
        "javascript:alert(1)//",
        "jar:file:///x!/y",
        "gopher://127.0.0.1/x",
    ] {
        // A share is a path on Windows, where the folders decide.
        let shared = cfg!(windows) && (text.starts_with(r"\\") || text.starts_with("file://host"));
        assert!(parse(text, Some(&home)).is_err() || shared, "{text}");
    }
    if cfg!(unix) {
        let dotted = parse("file:///home/ann/%2e%2e/bob/cat.png", None).unwrap();
        assert_eq!(dotted, parse("/home/bob/cat.png", None).unwrap());
    }
}

#[tokio::test]
async fn an_output_folder_that_is_a_file_or_has_a_misleading_name_is_refused() {
    let house = House::new();
    let base = house.allowed.clone();
    house.put("taken", "x");
    for requested in ["taken", "taken/below"] {
        let found = folder(&base, Some(requested), &house.roots);
        let prepared = match found {
            Ok(found) => prepare(&found).await.map_err(|problem| problem.to_string()),
            Err(problem) => Err(problem.to_string()),
        };
        assert!(prepared.is_err(), "{requested}");
    }
    let long = "x".repeat(256);
    let absolute = |name: &str| base.join(name).display().to_string();
    for requested in [
        "clips\u{202e}gpj",
        "clips\u{200b}",
        "\u{feff}clips",
        "a\u{2028}b",
        "a\u{7f}",
        "a\u{0085}b",
        "COM1",
        "com1.2026",
        "nul .txt",
        "aux/x",
        "x. ",
        &long,
        &absolute("new:stream"),
        &absolute("CON"),
        &absolute("x/NUL.d/y"),
        &absolute("clips\u{202e}gpj"),
    ] {
        assert!(folder(&base, Some(requested), &house.roots).is_err(), "{requested:?}");
    }
    for requested in ["Füchse 🦊", "👩‍👩‍👧", "日本", "com10", "nullify", "x.y"] {
        prepare(&folder(&base, Some(requested), &house.roots).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn two_names_that_differ_in_case_alone_are_made_alike_and_nothing_is_overwritten() {
    let house = House::new();
    assert_eq!(file_name("A FOX", "4F", 1, false, "PNG"), "a-fox-4F.png");
    assert_eq!(file_name("a fox", "4F", 1, false, "png"), "a-fox-4F.png");
    let first = save(png(300, 300, 99).into(), &house.allowed, "fox.png", &PICTURE).await.unwrap();
    let second = save(png(300, 301, 99).into(), &house.allowed, "FOX.png", &PICTURE).await.unwrap();
    assert_eq!(fs::read(first.path).unwrap(), png(300, 300, 99));
    assert_eq!(fs::read(second.path).unwrap(), png(300, 301, 99));
}

#[test]
fn false_lengths_in_headers_are_ignored() {
    let length = |bytes: Vec<u8>| Blob::new(bytes.into()).duration_ms;
    for duration in [u64::MAX, u64::MAX - 1, 1 << 63] {
        let mut header = vec![1, 0, 0, 0];
        header.extend([0; 16]);
        header.extend(1_u32.to_be_bytes());
        header.extend(duration.to_be_bytes());
        header.extend([0; 80]);
        let movie = boxed("moov", &[&boxed("mvhd", &[&header])]);
        assert_eq!(length([boxed("ftyp", &[b"isom\0\0\0\0isomiso2mp41"]), movie].concat()), None);
    }
    let mut endless = wav(1);
    endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    endless[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(length(endless).is_none_or(|millis| millis < 1 << 32));
    let mut slow = wav(1);
    slow[24..32].fill(0);
    assert!(length(slow).is_none_or(|millis| millis < 1 << 32));
    assert!(length(flac(1 << 30)).is_none_or(|millis| millis < 1 << 45));
    // A box that claims to be huge, boxes that claim less than their own header, and nested boxes.
    for size in [u32::MAX, 1, 4, 7] {
        let mut film = mp4(640, 360, 2000, false);
        film[24..28].copy_from_slice(&size.to_be_bytes());
        let _ = length(film);
    }
    let nested = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| boxed("moov", &[&inner]));
    assert_eq!(length([boxed("ftyp", &[b"isom\0\0\0\0isomiso2mp41"]), nested].concat()), None);
}

#[test]
fn broken_pictures_are_shrunk_without_harm() {
    let noise = image::RgbImage::from_fn(300, 200, |x, y| {
        image::Rgb([x, y, x * y].map(|c| u8::try_from(c % 251).unwrap()))
    });
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP] {
        let mut whole = std::io::Cursor::new(Vec::new());
        noise.write_to(&mut whole, format).unwrap();
        let whole = whole.into_inner();
        assert_eq!(preview(&whole.clone().into(), 64, 50_000).unwrap().original, (300, 200));
        for eighth in 0..8 {
            let _ = preview(&whole[..whole.len() * eighth / 8].to_vec().into(), 64, 50_000);
        }
    }
    for declared in
        [png(60_000, 60_000, 500), png(30_000, 30_000, 500), png(u32::MAX, 1, 500), jpeg(60_000, 60_000)]
    {
        preview(&declared.into(), 64, 50_000).unwrap_err();
    }
}
