//! Tests of the folders that a client names.

use super::*;

struct House {
    _all: tempfile::TempDir,
    /// Without symbolic links.
    top: PathBuf,
}

impl House {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        let top = dunce::canonicalize(all.path()).unwrap();
        for folder in
            ["home/ada/code/app", "home/ada/.ssh", "home/ada/.config/app", "home/ada/Library/app", "data/x"]
        {
            std::fs::create_dir_all(top.join(folder)).unwrap();
        }
        std::fs::write(top.join("home/ada/file"), "x").unwrap();
        Self { _all: all, top }
    }

    fn uri(&self, path: &str) -> String {
        Url::from_file_path(self.top.join(path)).unwrap().into()
    }

    /// Those of the client's folders that count, relative to the top.
    fn taken(&self, uris: &[String]) -> Vec<PathBuf> {
        let folders = ClientFolders::default();
        folders.replace(uris, Some(&self.top.join("home/ada")), &[self.top.join("data")]);
        let below = |dir: PathBuf| dir.strip_prefix(&self.top).unwrap().to_owned();
        folders.dirs().into_iter().map(below).collect()
    }
}

#[test]
fn a_project_folder_counts_and_a_folder_that_would_open_more_does_not() {
    let house = House::new();
    let app = house.uri("home/ada/code/app");
    assert_eq!(house.taken(std::slice::from_ref(&app)), [Path::new("home/ada/code/app")]);
    assert_eq!(house.taken(&[house.uri("home/ada/code")]), [Path::new("home/ada/code")]);
    for refused in [
        "home/ada",
        "home",
        "",
        "home/ada/.ssh",
        "home/ada/.config/app",
        "home/ada/Library/app",
        "data",
        "data/x",
        "home/ada/file",
        "home/ada/none",
    ] {
        assert_eq!(house.taken(&[house.uri(refused)]), Vec::<PathBuf>::new(), "{refused}");
    }
    for refused in [
        "file:///",
        "file://",
        "https://example.com/home",
        "",
        "/home/ada/code/app",
        "code/app",
        "file:code/app",
        "untitled:1",
        "file:///%00",
    ] {
        assert_eq!(house.taken(&[refused.to_owned()]), Vec::<PathBuf>::new(), "{refused}");
    }
    // A bad entry is ignored, and the order of the others stays.
    let mixed = [house.uri("home/ada"), app.clone(), "x".to_owned(), app, house.uri("home/ada/code")];
    assert_eq!(house.taken(&mixed), [Path::new("home/ada/code/app"), Path::new("home/ada/code")]);
}

#[test]
fn the_next_answer_replaces_the_last_and_a_client_that_names_many_gets_the_first() {
    let house = House::new();
    let folders = ClientFolders::default();
    folders.replace(&[house.uri("home/ada/code")], None, &[]);
    folders.replace(&[house.uri("home/ada/code/app")], None, &[]);
    assert_eq!(folders.clone().dirs(), [house.top.join("home/ada/code/app")]);
    let many: Vec<_> = (0..MOST + 5).map(|number| format!("many/{number}")).collect();
    for folder in &many {
        std::fs::create_dir_all(house.top.join(folder)).unwrap();
    }
    folders.replace(&many.iter().map(|folder| house.uri(folder)).collect::<Vec<_>>(), None, &[]);
    assert_eq!(folders.dirs().len(), MOST);
    folders.replace(&[], None, &[]);
    assert_eq!(folders.dirs(), Vec::<PathBuf>::new());
}

#[test]
fn uris_are_decoded_even_if_a_client_does_not_encode_them() {
    let house = House::new();
    for name in ["my app", "c#", "what?", "100%", "grün", "a%20b"] {
        std::fs::create_dir_all(house.top.join(name)).unwrap();
        assert_eq!(house.taken(&[house.uri(name)]), [Path::new(name)]);
    }
    // If `#` cut the path, the parent folder would be open.
    std::fs::create_dir_all(house.top.join("c#/app")).unwrap();
    let bare = format!("file://{}/c#/app", house.top.display().to_string().replace('\\', "/"));
    assert_eq!(house.taken(&[bare]), [Path::new("c#/app")]);
}

#[cfg(unix)]
#[test]
fn a_link_counts_as_the_folder_that_it_led_to_at_first() {
    use std::os::unix::fs::symlink;

    let house = House::new();
    let [app, link] = ["home/ada/code/app", "link"].map(|path| house.top.join(path));
    symlink(&app, &link).unwrap();
    let folders = ClientFolders::default();
    let home = house.top.join("home/ada");
    folders.replace(&[house.uri("link")], Some(&home), &[]);
    assert_eq!(folders.dirs(), std::slice::from_ref(&app));
    std::fs::remove_file(&link).unwrap();
    symlink(&home, &link).unwrap();
    assert_eq!(folders.dirs(), std::slice::from_ref(&app));
    // The folder itself becomes a link.
    std::fs::remove_dir(&app).unwrap();
    symlink(house.top.join("home/ada/.ssh"), &app).unwrap();
    assert_eq!(folders.dirs(), Vec::<PathBuf>::new());
    folders.replace(&[house.uri("link"), house.uri("home/ada/code/app")], Some(&home), &[]);
    assert_eq!(folders.dirs(), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn a_uri_of_another_system_is_not_a_folder() {
    for uri in ["file://server/share/app", "file:///C:/Users/ann/app"] {
        let path = folder_of(uri);
        assert!(path.is_none_or(|path| dunce::canonicalize(path).is_err()), "{uri}");
    }
    assert_eq!(folder_of("file://localhost/srv/app").as_deref(), Some(Path::new("/srv/app")));
    assert_eq!(folder_of(" file:///srv/my%20app ").as_deref(), Some(Path::new("/srv/my app")));
}

#[cfg(windows)]
#[test]
fn drives_and_shares_are_decoded_in_each_of_their_forms() {
    for (uri, path) in [
        ("file:///C:/Users/ann/app", r"C:\Users\ann\app"),
        ("file:///c%3A/Users/ann/my%20app", r"c:\Users\ann\my app"),
        (r"file://C:\Users\ann\app", r"C:\Users\ann\app"),
        ("file://server/share/app", r"\\server\share\app"),
    ] {
        assert_eq!(folder_of(uri).as_deref(), Some(Path::new(path)), "{uri}");
    }
}
