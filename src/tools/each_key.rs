//! Lists of a server with two keys: what it has at MiniMax is what each of them shows.

use std::collections::HashSet;

use crate::api::ApiError;
use crate::facts::Class;

/// One list of what MiniMax lists for each key, every id once. A key that MiniMax does not let list has nothing to add,
/// unless it is the only one.
pub(super) fn merged<T>(
    answers: Vec<Result<Vec<T>, ApiError>>,
    id: impl Fn(&T) -> String,
) -> Result<Vec<T>, ApiError> {
    let (mut all, mut seen, mut answered, mut refused) = (Vec::new(), HashSet::new(), false, None);
    for answer in answers {
        match answer {
            Ok(items) => {
                answered = true;
                all.extend(items.into_iter().filter(|item| seen.insert(id(item))));
            }
            Err(error) if matches!(error.class(), Class::Auth | Class::Quota) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if !answered => Err(error),
        _ => Ok(all),
    }
}
