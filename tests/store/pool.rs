//! A pool against a server that is away, busy or slow. It is a module of `src/store/pool.rs`.

use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const FEW: u32 = 3;

/// A pool for a server that lets connections in after this time, or never.
async fn pool(delay: Option<Duration>) -> ServerPool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").username("x");
    let options =
        options.port(listener.local_addr().unwrap().port()).ssl_mode(sqlx::postgres::PgSslMode::Disable);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(served(stream, delay));
        }
    });
    let patience = PgPoolOptions::new().max_connections(FEW).acquire_timeout(AWAY * 3);
    ServerPool::new(patience.connect_lazy_with(options))
}

/// As little of the protocol as a transaction needs.
async fn served(mut stream: TcpStream, delay: Option<Duration>) -> std::io::Result<()> {
    let Some(delay) = delay else { return std::future::pending().await };
    let length = stream.read_u32().await? as usize;
    stream.read_exact(&mut vec![0; length - 4]).await?;
    tokio::time::sleep(delay).await;
    // The log-in is accepted, and no transaction is open.
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    loop {
        let kind = stream.read_u8().await?;
        let mut text = vec![0; stream.read_u32().await? as usize - 4];
        stream.read_exact(&mut text).await?;
        let state = if text.starts_with(b"BEGIN") { b'T' } else { b'I' };
        if kind == b'Q' {
            stream.write_all(b"C\0\0\0\x07OK\0").await?;
        }
        stream.write_all(&[b'Z', 0, 0, 0, 5, state]).await?;
    }
}

fn timed_out(begun: &Result<ServerTransaction, sqlx::Error>) -> bool {
    matches!(begun, Err(sqlx::Error::PoolTimedOut))
}

/// The server accepts connections and says nothing, and there are more callers than connections.
#[tokio::test(start_paused = true)]
async fn many_callers_at_once_find_out_that_the_server_is_away() {
    let pool = pool(None).await;
    assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
    assert!(pool.is_away.load(Ordering::Relaxed) && !pool.is_busy());
    let start = Instant::now();
    assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
    assert!(start.elapsed() < AWAY * 2, "the second time they do not wait as long");
}

#[tokio::test]
async fn a_server_whose_connections_are_all_in_transactions_is_not_away() {
    let pool = pool(Some(Duration::ZERO)).await;
    let mut held = join_all((0..FEW).map(|_| pool.begin())).await;
    assert!(held.iter().all(Result::is_ok), "{held:?}");
    assert!(pool.is_busy());
    assert!(timed_out(&pool.begin().await));
    assert!(!pool.is_away.load(Ordering::Relaxed));
    held.pop();
    assert!(pool.begin().await.is_ok());
}

/// Letting a connection in takes longer than callers wait for a server that was away.
#[tokio::test]
async fn an_attempt_that_its_caller_gave_up_finds_that_the_server_is_back() {
    let pool = pool(Some(AWAY * 3 / 2)).await;
    pool.is_away.store(true, Ordering::Relaxed);
    assert!(join_all((0..9).map(|_| pool.begin())).await.iter().all(timed_out));
    while pool.is_away.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(pool.begin().await.is_ok());
}
