//! The secret scan: no file with a secret is sent, with any kind of secret, encoding, archive or image, and no ordinary
//! text is refused.

mod honest;
mod lost;

use std::fs;
use std::io::Write as _;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use minimax_mcp::media::{Blob, InputProblem, Kind, Limits, check_now};
use serde_json::json;

use crate::harness::World;
use crate::media::files::{jpeg, mp3, png, wav};

const TEXTS: Limits = Limits::new(&["text/plain", "application/zip"], 20 * 1024 * 1024);
const MEDIA: Limits = Limits::new(&["image/png", "image/jpeg", "audio/wav", "audio/mpeg"], 20 * 1024 * 1024);

fn judge(bytes: &[u8], limits: &Limits) -> Result<(), InputProblem> {
    check_now(&Blob::new(bytes.to_vec().into()), limits)
}

fn is_secret(verdict: &Result<(), InputProblem>) -> bool {
    matches!(verdict, Err(InputProblem::Secret { .. }))
}

/// The text in each Unicode encoding, with and without a byte order mark.
fn encoded(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let utf32 = |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| bytes(c.into())).collect::<Vec<u8>>();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    let wide = [
        ("UTF-16LE", &b"\xff\xfe"[..], utf16(u16::to_le_bytes)),
        ("UTF-16BE", b"\xfe\xff", utf16(u16::to_be_bytes)),
        ("UTF-32LE", b"\xff\xfe\0\0", utf32(u32::to_le_bytes)),
        ("UTF-32BE", b"\0\0\xfe\xff", utf32(u32::to_be_bytes)),
    ];
    let mut all =
        vec![("UTF-8", text.into()), ("UTF-8 with a mark", marked(b"\xef\xbb\xbf", text.as_bytes()))];
    for (name, mark, bytes) in wide {
        all.push((name, marked(mark, &bytes)));
        all.push((name, bytes));
    }
    all
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut file);
    for (name, content) in entries {
        let new = archive.new_file(name).compression_method(rawzip::CompressionMethod::DEFLATE);
        let (mut entry, config) = new.start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(content).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    file
}

#[test]
fn a_secret_of_any_kind_is_found_in_a_text() {
    let missed: Vec<_> =
        lost::lost().into_iter().filter(|(_, text)| !is_secret(&judge(text.as_bytes(), &TEXTS))).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    // Put it among other lines, and use Windows line endings.
    for (name, text) in lost::lost() {
        let text = format!("{}{text}", "Once upon a time there was a fox.\n".repeat(400));
        let windows = text.replace("\r\n", "\n").replace('\n', "\r\n");
        for text in [text, windows] {
            assert!(is_secret(&judge(text.as_bytes(), &TEXTS)), "{name}");
        }
    }
}

/// The first lines of what password managers and browsers export.
const EXPORTS: &[(&str, &str)] = &[
    ("1password 6", "notesPlain,password,title,type,URLs,username"),
    (
        "1password 7",
        "Title,Website,Username,Password,One-time password,Favorite status,Archived status,Tags,Notes",
    ),
    ("1password 8", "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes"),
    ("avast", "login_uri,login_username,login_password,name"),
    (
        "bitwarden",
        "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp",
    ),
    ("buttercup", "!type,!group_id,!group_name,title,username,password,URL,Notes,id"),
    ("chrome", "name,url,username,password,note"),
    ("dashlane", "username,username2,username3,title,password,note,url,category,otpUrl"),
    ("edge", "name,url,username,password"),
    ("enpass", "\"Title\",\"Username\",\"Email\",\"Password\",\"Website\",\"TOTP\""),
    (
        "firefox",
        "url,username,password,httpRealm,formActionOrigin,guid,timeCreated,timeLastUsed,timePasswordChanged",
    ),
    ("german", "Titel;Benutzername;Kennwort;Webadresse"),
    ("keepass", "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\""),
    (
        "keepassxc",
        "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\",\"Last Modified\",\"Created\"",
    ),
    ("keeper", "Folder,Title,Login,Password,Website Address,Notes,Shared Folder,Custom Fields"),
    ("lastpass", "url,username,password,totp,extra,name,grouping,fav"),
    ("logmeonce", "name,url,group,username,password,note"),
    (
        "nordpass",
        "name,url,additional_urls,username,password,note,cardholdername,cardnumber,cvc,pin,expirydate,zipcode,folder,shared_folder,full_name,phone_number,email,address1,address2,city,country,state,type,custom_fields",
    ),
    ("passbolt", "Title,Username,URL,Password,Notes,Group,TOTP"),
    ("password safe", "Group/Title\tUsername\tPassword\tTwo Factor Key\tURL\tAutoType\tCreated Time"),
    ("proton pass", "type,name,url,email,username,password,note,totp,createTime,modifyTime,vault"),
    ("remembear", "id,type,name,website,username,password,notes"),
    ("roboform", "Name,Url,MatchUrl,Login,Pwd,Note,Folder,RfFieldsV2"),
    ("safari", "Title,URL,Username,Password,Notes,OTPAuth"),
    ("sticky password", "Account Name;Login;Password;URL"),
    ("true key", "kind,name,login,password,url,favorite"),
    (
        "zoho vault",
        "\"Password Name\",\"Password URL\",\"Notes\",\"Tags\",\"User Name\",\"Password\",\"Custom Data\"",
    ),
];

/// A row for a header, with a password in the column for it alone.
fn row_of(head: &str) -> String {
    let delimiter = ['\t', ';', ','].into_iter().find(|delimiter| head.contains(*delimiter)).unwrap();
    let names: Vec<_> = head.split(delimiter).map(|name| name.trim_matches('"').to_lowercase()).collect();
    let is_secret =
        |name: &str| name == "pwd" || name == "kennwort" || name == "password" || name == "login_password";
    let cell = |name: &String| if is_secret(name) { "letmein99" } else { "" };
    names.iter().map(cell).collect::<Vec<_>>().join(&delimiter.to_string())
}

#[test]
fn the_export_of_a_password_manager_is_found_with_rows_and_by_its_header_alone() {
    for (name, head) in EXPORTS {
        assert!(row_of(head).contains("letmein99"), "{name}");
        for text in [format!("{head}\n{}\n", row_of(head)), format!("{head}\r\n"), (*head).to_owned()] {
            assert!(is_secret(&judge(text.as_bytes(), &TEXTS)), "{name}: {text}");
            for (encoding, bytes) in encoded(&text) {
                let verdict = judge(&bytes, &MEDIA);
                let refused = matches!(verdict, Err(InputProblem::Secret { .. } | InputProblem::Type { .. }));
                assert!(refused, "{name} in {encoding}: {verdict:?}");
                let packed = judge(&zip(&[("a.txt", b"A harmless text.\n"), ("b.txt", &bytes)]), &TEXTS);
                assert!(is_secret(&packed), "{name} in {encoding} in a ZIP: {packed:?}");
            }
        }
    }
    // A header of something else, and one that a sentence has.
    for honest in [
        "name,email,city\n",
        "word,meaning\n",
        "user, password\n",
        "Name, password, and then the door opened.\n",
    ] {
        judge(honest.as_bytes(), &TEXTS).unwrap();
    }
}

#[test]
fn a_secret_is_refused_in_any_encoding_and_not_mistaken_for_audio() {
    for (name, text) in lost::lost() {
        for (encoding, bytes) in encoded(&text) {
            for limits in [&TEXTS, &MEDIA] {
                let verdict = judge(&bytes, limits);
                let refused = matches!(verdict, Err(InputProblem::Secret { .. } | InputProblem::Type { .. }));
                assert!(refused, "{name} in {encoding}: {verdict:?}");
            }
            let packed = judge(&zip(&[("a.txt", b"A harmless text.\n"), ("b.txt", &bytes)]), &TEXTS);
            assert!(is_secret(&packed), "{name} in {encoding} in a ZIP: {packed:?}");
        }
    }
}

#[test]
fn an_archive_is_refused_if_any_entry_is_not_plain_text() {
    let key = lost::lost().into_iter().find(|(name, _)| *name == "pem").unwrap().1;
    let inner = zip(&[("id.txt", key.as_bytes())]);
    let hidden = [&zip(&[("a.txt", key.as_bytes())]), &zip(&[("a.txt", b"x")])[..]].concat();
    for (name, archive) in [
        ("an archive in an archive", zip(&[("a.txt", &inner)])),
        ("a picture", zip(&[("a.txt", &png(30, 40, 99))])),
        ("a document", zip(&[("[Content_Types].xml", b"x"), ("word/document.xml", key.as_bytes())])),
        ("a key beside", zip(&[("a.txt", b"x"), ("id_rsa", key.as_bytes())])),
        ("a key in the notes of the Finder", zip(&[("a.txt", b"x"), ("__MACOSX/a.txt", key.as_bytes())])),
        ("what the directory does not list", hidden),
    ] {
        let verdict = judge(&archive, &TEXTS);
        assert!(
            matches!(verdict, Err(InputProblem::Secret { .. } | InputProblem::Type { .. })),
            "{name}: {verdict:?}"
        );
    }
    judge(
        &zip(&[("a.txt", b"A text."), ("b.txt", "Noch ein Text: »ä«.".as_bytes()), ("c.txt", b"")]),
        &TEXTS,
    )
    .unwrap();
}

#[test]
fn a_key_after_or_inside_a_picture_or_audio_is_found() {
    let samples: [(&str, Vec<u8>); 4] =
        [("png", png(30, 40, 400)), ("jpeg", jpeg(30, 40)), ("wav", wav(1)), ("mp3", mp3(200))];
    for (sort, media) in samples {
        judge(&media, &MEDIA).unwrap();
        for (name, text) in lost::lost() {
            let verdict = judge(&[&media, &b"\xff\0\n"[..], text.as_bytes()].concat(), &MEDIA);
            assert!(is_secret(&verdict), "{name} behind a {sort}: {verdict:?}");
        }
    }
}

#[test]
fn ordinary_texts_are_accepted() {
    assert!(honest::HONEST.len() >= 30);
    let refused: Vec<_> = honest::HONEST
        .iter()
        .filter_map(|text| judge(text.as_bytes(), &TEXTS).err().map(|problem| (problem.to_string(), *text)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let all = honest::HONEST.concat();
    judge(all.as_bytes(), &TEXTS).unwrap();
    judge(all.replace('\n', "\r\n").as_bytes(), &TEXTS).unwrap();
    judge(&zip(&[("all.txt", all.as_bytes()), ("wide.txt", &encoded(&all)[2].1)]), &TEXTS).unwrap();
    judge(all.repeat(200).as_bytes(), &TEXTS).unwrap();
}

/// Bytes that look like an MPEG audio frame or a tag but are not.
#[test]
fn weak_signatures_are_not_recognized_as_audio() {
    for bytes in [
        &b"\xff\xfe\x01p\0a\0s\0s\0"[..],
        b"\xff\xfbpassword\x01",
        b"\xff\xf1password\x01",
        b"\xff\xf9password\x01",
        b"ID3\x04\0\0\0\0\0\x10password: x\x01",
        b"\xff\xfb\x90\0 and no second frame\x01",
    ] {
        let blob = Blob::new([bytes, &[7; 3000]].concat().into());
        assert!(blob.kind == Kind::Other && !MEDIA.mimes.contains(&blob.mime), "{bytes:?}: {blob:?}");
    }
    // The image in the tag is longer than the part that is read first. The frames follow it.
    let size = 100_000_u32;
    let tag = [b"ID3\x03\0\0".as_slice(), &[0, 6, 13, 32], &vec![0; usize::try_from(size).unwrap()]].concat();
    for (before, after) in
        [(vec![], vec![]), (tag, [b"TAG".as_slice(), &[b' '; 125]].concat()), (vec![], vec![0; 500])]
    {
        let blob = Blob::new([before, mp3(200), after].concat().into());
        assert!(blob.mime == "audio/mpeg" && blob.duration_ms.is_some(), "{blob:?}");
    }
}

#[tokio::test]
async fn no_secret_reaches_minimax_by_any_tool_and_the_refusal_names_its_rule() {
    let world = World::new().await;
    let out = world.out();
    fs::create_dir_all(&out).unwrap();
    for (number, (name, text)) in lost::lost().into_iter().enumerate() {
        let path = out.join(format!("notes-{number}.txt"));
        fs::write(&path, &text).unwrap();
        for (tool, arguments) in [
            ("upload_file", json!({ "file": path, "purpose": "t2a_async_input" })),
            ("text_to_audio", json!({ "text_file": path })),
            (
                "upload_file",
                json!({ "file": format!("data:text/plain;base64,{}", BASE64.encode(text.as_bytes())), "purpose": "t2a_async_input" }),
            ),
        ] {
            let refusal = world.refusal(tool, arguments).await;
            assert!(
                refusal.contains("contains what looks like") && refusal.contains("(rule `"),
                "{name}: {refusal}"
            );
            assert!(!refusal.contains("letmein") && !refusal.contains("Tr0ub4dor"), "{name}: {refusal}");
        }
        let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let path = out.join(format!("voice-{number}.mp3"));
        fs::write(&path, &wide).unwrap();
        for (tool, arguments) in [
            ("upload_file", json!({ "file": path, "purpose": "voice_clone" })),
            ("upload_file", json!({ "file": path, "purpose": "t2a_async_input" })),
            ("speech_to_text", json!({ "file": path })),
            ("voice_clone", json!({ "voice_id": "Stranger01", "file": path })),
        ] {
            world.refusal(tool, arguments).await;
        }
    }
    let key = lost::lost().into_iter().find(|(name, _)| *name == "pem").unwrap().1;
    let picture = out.join("cat.png");
    fs::write(&picture, [png(400, 400, 400), key.into_bytes()].concat()).unwrap();
    for (tool, arguments) in [
        ("understand_image", json!({ "prompt": "x", "image_url": picture })),
        ("text_to_image", json!({ "prompt": "x", "subject_reference": picture })),
        ("generate_video", json!({ "prompt": "x", "first_frame_image": picture })),
    ] {
        let refusal = world.refusal(tool, arguments).await;
        assert!(refusal.contains("a private key"), "{tool}: {refusal}");
    }
    let sent: Vec<_> = world.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert!(sent.is_empty(), "{sent:?}");
}
