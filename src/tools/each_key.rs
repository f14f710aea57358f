//! Lists of a server with two keys, merged from what MiniMax shows each key.

use std::collections::HashMap;
use std::future::Future;

use futures_util::future::join_all;

use crate::api::ApiError;
use crate::jobs::{Jobs, PaysWith};
use crate::mcp::Server;

/// One list for all keys of the payer.
#[derive(Debug)]
pub(super) struct EachKey<T> {
    /// Every id once, with the key that alone has it; `None` if both keys have it, or if there is only one key.
    pub(super) rows: Vec<(T, Option<PaysWith>)>,
    /// Which keys MiniMax did not answer.
    pub(super) warnings: Vec<String>,
}

/// Asks with every key at once. A key that fails does not hide what the others have; the error is that of the first key if
/// all fail.
pub(super) async fn ask<T, F: Future<Output = Result<Vec<T>, ApiError>>>(
    server: &Server,
    list: impl Fn(Jobs) -> F,
    id: impl Fn(&T) -> String,
) -> Result<EachKey<T>, ApiError> {
    let keys = server.jobs().each_key();
    let asked: Vec<_> = keys.into_iter().map(|jobs| (jobs.pays_with(), list(jobs))).collect();
    let (keys, asked): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    merged(keys.into_iter().zip(join_all(asked).await).collect(), id)
}

/// The answer to one key.
type Answer<T> = (Option<PaysWith>, Result<Vec<T>, ApiError>);

fn merged<T>(answers: Vec<Answer<T>>, id: impl Fn(&T) -> String) -> Result<EachKey<T>, ApiError> {
    let (mut rows, mut places, mut failed) = (Vec::new(), HashMap::new(), Vec::new());
    let mut answered = 0_usize;
    for (key, answer) in answers {
        match answer {
            Ok(items) => {
                answered += 1;
                for item in items {
                    match places.get(&id(&item)).and_then(|place: &usize| rows.get_mut(*place)) {
                        // The second key has it too.
                        Some((_, owner)) if *owner != key => *owner = None,
                        Some(_) => {}
                        None => {
                            places.insert(id(&item), rows.len());
                            rows.push((item, key));
                        }
                    }
                }
            }
            Err(error) => failed.push((key, error)),
        }
    }
    let warnings = failed.iter().map(|(key, error)| missing(*key, error)).collect();
    match failed.into_iter().next() {
        Some((_, error)) if answered == 0 => Err(error),
        _ => Ok(EachKey { rows, warnings }),
    }
}

/// What a list says about a key that did not answer.
pub(super) fn missing(key: Option<PaysWith>, error: &ApiError) -> String {
    let setting = key.map_or("MINIMAX_API_KEY", PaysWith::setting);
    format!("Entries that only the key in {setting} can see are missing: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Option<PaysWith>; 2] = [Some(PaysWith::Balance), Some(PaysWith::Plan)];

    fn of(answers: [Result<Vec<&'static str>, ApiError>; 2]) -> Result<EachKey<&'static str>, ApiError> {
        merged(KEYS.into_iter().zip(answers).collect(), |id| (*id).to_owned())
    }

    #[test]
    fn an_id_that_both_keys_see_is_listed_once_without_a_key() {
        let both = of([Ok(vec!["a", "b", "b"]), Ok(vec!["c", "b"])]).unwrap();
        assert_eq!(both.rows, [("a", KEYS[0]), ("b", None), ("c", KEYS[1])]);
        assert!(both.warnings.is_empty());
    }

    #[test]
    fn a_failing_key_is_reported_and_hides_nothing_of_the_other() {
        for (answers, setting) in [
            ([Ok(vec!["a"]), Err(ApiError::NoKey)], "MINIMAX_PLAN_KEY"),
            ([Err(ApiError::NoKey), Ok(vec!["a"])], "MINIMAX_API_KEY"),
        ] {
            let one = of(answers).unwrap();
            assert_eq!(one.rows.len(), 1);
            assert!(one.warnings.len() == 1 && one.warnings[0].contains(setting), "{:?}", one.warnings);
        }
        assert!(of([Err(ApiError::NoKey), Err(ApiError::NoKey)]).is_err());
    }
}
