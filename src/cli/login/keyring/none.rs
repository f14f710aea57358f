//! No keyring: this build leaves it out, or knows none of this system.

use secrecy::SecretString;

use super::Problem;

fn none<T>() -> Result<T, Problem> {
    Err(Problem::Absent(if cfg!(feature = "keyring") {
        format!("none is known on {}", std::env::consts::OS)
    } else {
        "this build is without it; build with --features keyring".to_owned()
    }))
}

pub(super) fn read(_: &[String]) -> Result<Vec<SecretString>, Problem> {
    none()
}

pub(super) fn write(_: &str, _: &SecretString) -> Result<(), Problem> {
    none()
}

pub(super) fn delete(_: &[String]) -> Result<(), Problem> {
    none()
}
