//! Cgroups go from one command to another only when nobody can be on the way into them. Where none
//! can be made there is nothing to go.

use super::*;
use crate::native::{
    NativeConfig,
    cgroup::{Hierarchies, Owner},
};

#[test]
fn only_what_was_given_back_is_used_again() {
    let owner = Owner::new(std::process::id()).unwrap();
    let hierarchies = Hierarchies::probe(&NativeConfig::default(), owner);
    let limits = Limits::default();
    let group = hierarchies.create(&owner.name(1), &limits).unwrap();
    let (directories, is_lasting) = (group.slot.directories(), group.slot.is_lasting());
    let on_the_way = group.memberships().unwrap();
    drop(group);
    assert!(hierarchies.reuse(&limits).is_none(), "somebody is still on the way");
    assert!(!directories.iter().any(|directory| directory.exists()), "{directories:?}");
    let mut group = hierarchies.create(&owner.name(2), &limits).unwrap();
    let before = group.slot.directories();
    group.give_back();
    drop(group);
    let again = hierarchies.reuse(&limits).map(|group| group.slot.directories());
    assert_eq!(again, is_lasting.then_some(before));
    drop(on_the_way);
}
