//! The names of queues: none is missed, whatever happens to the values.

use std::collections::BTreeSet;

use rand::{rngs::StdRng, Rng, SeedableRng};

use crate::names::{Names, Page};

fn all(names: &Names, db: i32) -> Vec<Box<[u8]>> {
    let page = names.list(db, None, usize::MAX);
    assert!(!page.goes_on);
    page.names
}

fn page(names: &[&str], goes_on: bool) -> Page {
    Page { names: names.iter().map(|name| name.as_bytes().into()).collect(), goes_on }
}

#[test]
fn names_come_in_the_order_of_their_bytes_page_by_page() {
    let mut names = Names::default();
    for name in ["b", "a", "ab", "B", "", "c"] {
        names.insert(0, name.as_bytes());
    }
    names.insert(1, b"other");
    assert_eq!(names.len(), 7);
    assert_eq!(names.list(0, None, 2), page(&["", "B"], true));
    assert_eq!(names.list(0, Some(b"B"), 3), page(&["a", "ab", "b"], true));
    assert_eq!(names.list(0, Some(b"b"), 1), page(&["c"], false));
    assert_eq!(names.list(0, Some(b"b"), 9), page(&["c"], false));
    assert_eq!(names.list(0, Some(b"c"), 9), page(&[], false));
    assert_eq!(names.list(0, Some(b"aa"), 1), page(&["ab"], true), "also behind one that is gone");
    assert_eq!(names.list(1, None, 9), page(&["other"], false));
    assert_eq!(names.list(2, None, 9), page(&[], false));
}

#[test]
fn a_name_stays_as_long_as_one_of_two_values_has_it() {
    let mut names = Names::default();
    names.insert(0, b"mail");
    names.insert(0, b"mail");
    assert_eq!(names.len(), 1);
    names.remove(0, b"mail");
    assert_eq!(names.list(0, None, 9), page(&["mail"], false));
    names.remove(0, b"mail");
    assert_eq!(names.list(0, None, 9), page(&[], false));
    names.remove(0, b"mail");
    names.remove(7, b"mail");
    assert_eq!(names.len(), 0);

    names.insert(0, b"mail");
    names.insert(0, b"mail");
    names.forget(0, b"mail");
    names.forget(7, b"mail");
    assert_eq!(names.len(), 0);
}

#[test]
fn names_follow_databases_that_are_swapped_or_emptied() {
    let mut names = Names::default();
    names.insert(0, b"mail");
    names.insert(1, b"fax");
    names.swap(0, 1);
    assert_eq!(names.list(0, None, 9), page(&["fax"], false));
    assert_eq!(names.list(1, None, 9), page(&["mail"], false));
    names.swap(1, 2);
    assert_eq!(names.list(1, None, 9), page(&[], false));
    assert_eq!(names.list(2, None, 9), page(&["mail"], false));
    names.swap(2, 2);
    assert_eq!(names.list(2, None, 9), page(&["mail"], false));
    drop(names.clear(Some(2)));
    assert_eq!((names.len(), all(&names, 0).len()), (1, 1));
    drop(names.clear(None));
    assert_eq!(names.len(), 0);
}

/// Values under names, as the server has them: some in keys, some on the way to one.
#[test]
fn after_any_history_every_value_is_listed() {
    let mut random = StdRng::seed_from_u64(7);
    let mut names = Names::default();
    let mut keys = BTreeSet::new();
    for _ in 0..20_000 {
        let db = random.random_range(0..3);
        let name: Box<[u8]> = Box::new([random.random_range(b'a'..b'h')]);
        match random.random_range(0..12) {
            0 => {
                keys.clear();
                drop(names.clear(None));
            }
            1 => {
                keys.retain(|(of, _)| *of != db);
                drop(names.clear(Some(db)));
            }
            2 => {
                let other = random.random_range(0..3);
                let swapped = |of| match of {
                    _ if of == db => other,
                    _ if of == other => db,
                    _ => of,
                };
                keys = keys.into_iter().map(|(of, name)| (swapped(of), name)).collect();
                names.swap(db, other);
            }
            3 if keys.remove(&(db, name.clone())) => names.remove(db, &name),
            // A value that is loaded and thrown away.
            4 => names.insert(db, &name),
            5 if !keys.contains(&(db, name.clone())) => names.forget(db, &name),
            _ => {
                // The new value comes before an old one loses the name.
                names.insert(db, &name);
                if !keys.insert((db, name.clone())) {
                    names.remove(db, &name);
                }
            }
        }
        for (db, name) in &keys {
            assert!(all(&names, *db).contains(name), "{db} {name:?}");
        }
    }
}
