//! A real PostgreSQL for tests: its own cluster in a temporary folder, with a database for each folder of a test. On a machine
//! without PostgreSQL the tests about it say so and check nothing.
//!
//! `MINIMAX_TEST_STORE=postgres cargo test --test it -- jobs money` runs other tests on it too: every server of the harness then
//! has its job records there.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// A server with its data in a temporary folder. It ends with the test program.
pub struct Cluster {
    port: u16,
    programs: PathBuf,
    dir: PathBuf,
    made: Mutex<HashSet<String>>,
    /// Ends the server when its stdin is closed, also when this process is killed.
    keeper: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The server that all tests share. `None` if PostgreSQL is not installed.
static SHARED: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);

/// Whether other tests than those about PostgreSQL run on it too.
static IS_CHOSEN: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("MINIMAX_TEST_STORE").is_some_and(|store| store == "postgres"));

/// The setting for a server whose folders are below `dir`, if this run is on PostgreSQL.
pub fn chosen(dir: &Path) -> Option<(&'static str, String)> {
    if !*IS_CHOSEN {
        return None;
    }
    let url = database(dir).expect("MINIMAX_TEST_STORE is postgres, and PostgreSQL is not installed");
    Some(("MINIMAX_STORE_URL", url))
}

/// Whether to skip a test of `what`, because this run uses PostgreSQL.
pub fn leaves_out(what: &str) -> bool {
    if *IS_CHOSEN {
        eprintln!("skipped: it is about {what}");
    }
    *IS_CHOSEN
}

/// The URL of the database for a folder, which is made when it is first asked for. `None` without PostgreSQL.
pub fn database(dir: &Path) -> Option<String> {
    let cluster = SHARED.as_ref();
    if cluster.is_none() {
        eprintln!("skipped: PostgreSQL is not installed (Debian: apt install postgresql)");
    }
    cluster.map(|cluster| cluster.database(dir))
}

/// A connection of a test to the database for a folder.
pub async fn connect(dir: &Path) -> PgConnection {
    PgConnection::connect(&format!("{}?sslmode=disable", database(dir).unwrap())).await.unwrap()
}

/// The records of the servers whose folders are below `dir`, as a test reads and changes them. The data folder is `data`.
pub enum Records {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Records {
    pub async fn of(dir: &Path, data: &Path) -> Self {
        if *IS_CHOSEN {
            return Self::Postgres(connect(dir).await);
        }
        let url = format!("sqlite://{}", data.join("jobs.sqlite3").display());
        Self::Sqlite(SqliteConnection::connect(&url).await.unwrap())
    }

    /// Runs statements: `sqlite`, or `postgres` if they differ there.
    pub async fn run(mut self, sqlite: &str, postgres: Option<&str>) {
        match &mut self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql(AssertSqlSafe(sqlite.to_owned())).execute(&mut *connection).await.unwrap();
            }
            Self::Postgres(connection) => {
                let sql = postgres.unwrap_or(sqlite).to_owned();
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
            }
        }
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }

    /// Begins a transaction that keeps others from writing.
    pub async fn lock(&mut self) {
        match self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection).await.map(|_| ())
            }
            Self::Postgres(connection) => {
                let lock = sqlx::raw_sql("BEGIN; LOCK TABLE jobs, spending, remote_ids IN EXCLUSIVE MODE");
                lock.execute(connection).await.map(|_| ())
            }
        }
        .unwrap();
    }

    /// The text that a query has as its only value.
    pub async fn word(self, sql: &'static str) -> String {
        match self {
            Self::Sqlite(mut connection) => sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap(),
            Self::Postgres(mut connection) => {
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }
}

impl Cluster {
    /// Starts a server. `None` if PostgreSQL is not installed.
    #[cfg(not(unix))]
    pub fn start() -> Option<Self> {
        None
    }

    /// Starts a server. `None` if PostgreSQL is not installed.
    #[cfg(unix)]
    pub fn start() -> Option<Self> {
        Self::start_with(|_| Some(()))
    }

    /// Starts a server that takes TLS, and returns the certificate that signs its own. `None` if PostgreSQL or OpenSSL is not
    /// installed.
    #[cfg(unix)]
    pub fn with_tls() -> Option<(Self, PathBuf)> {
        const CERTIFICATE: &str = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = localhost\n\
            [ext]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:localhost,IP:127.0.0.1\n";
        let cluster = Self::start_with(|dir| {
            std::fs::write(dir.join("openssl.cnf"), CERTIFICATE).unwrap();
            let mut openssl = as_nobody(Command::new("openssl"), dir);
            openssl.args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-config",
                "openssl.cnf",
            ]);
            openssl.args(["-keyout", "data/server.key", "-out", "data/server.crt"]);
            let made = openssl.output().ok()?;
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let settings = std::fs::OpenOptions::new().append(true).open(dir.join("data/postgresql.conf"));
            std::io::Write::write_all(&mut settings.unwrap(), b"\nssl = on\n").unwrap();
            Some(())
        })?;
        // The folder of the data is closed to other users than its own.
        let certificate =
            tempfile::Builder::new().suffix(".crt").tempfile().unwrap().into_temp_path().keep().unwrap();
        std::fs::copy(cluster.dir.join("data/server.crt"), &certificate).unwrap();
        Some((cluster, certificate))
    }

    #[cfg(unix)]
    fn start_with(prepare: impl FnOnce(&Path) -> Option<()>) -> Option<Self> {
        let programs = programs()?;
        let dir = folder().keep();
        let mut initdb = as_nobody(Command::new(programs.join("initdb")), &dir);
        initdb.args([
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
            "data",
        ]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        prepare(&dir)?;
        let port = free_port();
        let keeper = Self::serve(&programs, &dir, port);
        Some(Self { port, programs, dir, made: Mutex::default(), keeper })
    }

    /// Runs the server, and waits until it answers.
    #[cfg(unix)]
    fn serve(programs: &Path, dir: &Path, port: u16) -> Child {
        let port = port.to_string();
        // The shell outlives this process by a moment, however it ends, and removes the folder. One that was killed is kept.
        let script = "\"$@\" & server=$!; read _; kill -QUIT $server; wait; [ -e keep ] || rm -rf \"$PWD\"";
        let mut keeper = as_nobody(Command::new("/bin/sh"), dir);
        keeper.args(["-c", script, "sh"]).arg(programs.join("postgres")).args(["-D", "data", "-p", &port]);
        keeper.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        // The system still has what a killed server wrote. A commit waits only where a transaction asks for it.
        keeper.args(["-c", "fsync=off", "-c", "max_connections=900", "-c", "synchronous_commit=off"]);
        let log = std::fs::OpenOptions::new().append(true).create(true).open(dir.join("log")).unwrap();
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let is_ready = || {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap().success()
        };
        while !is_ready() {
            assert!(Instant::now() < end, "PostgreSQL does not start, see {}", dir.join("log").display());
            std::thread::sleep(Duration::from_millis(50));
        }
        keeper
    }

    /// Kills the server with SIGKILL.
    #[cfg(unix)]
    pub fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        std::fs::write(self.dir.join("keep"), "").unwrap();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }

    /// Starts it again after [`Self::kill`]. It recovers first.
    #[cfg(unix)]
    pub fn restart(&mut self) {
        // The processes of the dead server's connections end by themselves, and a new one waits for that.
        std::thread::sleep(Duration::from_secs(1));
        std::fs::remove_file(self.dir.join("keep")).unwrap();
        self.keeper = Self::serve(&self.programs, &self.dir, self.port);
    }

    /// The URL of the database for a folder, which is made when it is first asked for.
    pub fn database(&self, dir: &Path) -> String {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(dir.as_os_str().as_encoded_bytes()));
        let name = format!("t{}", &digest[..24]);
        // Held until the database is there.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.insert(name.clone()) {
            let mut createdb = Command::new(self.programs.join("createdb"));
            createdb.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", &name]);
            let output = createdb.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

/// PgBouncer in front of the shared server, in transaction mode and with few connections to a database.
pub struct Pooler {
    pub port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Pooler {
    /// `None` if PgBouncer is not installed.
    pub fn start(connections: u32) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let Some(program) = program.into_iter().find(|program| Path::new(program).is_file()) else {
            eprintln!("skipped: PgBouncer is not installed (Debian: apt install pgbouncer)");
            return None;
        };
        let dir = folder();
        let (port, server) = (free_port(), SHARED.as_ref()?.port);
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\n"
        );
        let file = dir.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = as_nobody(Command::new(program), dir.path());
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "PgBouncer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { port, child, _dir: dir })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder for a server, which does not run as root.
#[cfg(unix)]
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::{MetadataExt as _, chown};

    let dir = tempfile::Builder::new().prefix("minimax-postgres-").tempdir_in("/tmp").unwrap();
    if dir.path().metadata().unwrap().uid() == 0 {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    dir
}

#[cfg(not(unix))]
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[cfg(not(unix))]
fn as_nobody(command: Command, _: &Path) -> Command {
    command
}

#[cfg(unix)]
const NOBODY: u32 = 65_534;

/// Runs the command as the owner of the folder.
#[cfg(unix)]
fn as_nobody(mut command: Command, dir: &Path) -> Command {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;

    if dir.metadata().unwrap().uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(dir);
    command
}

/// The folder of PostgreSQL's programs. Debian keeps them out of the search path.
#[cfg(unix)]
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("pg_isready").is_file())
}
