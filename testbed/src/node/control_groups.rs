//! The control groups of a node, in every hierarchy. The guard of its first process removes them.

use std::io;
use std::path::{Path, PathBuf};

use crate::folder::Folder;

/// Where control groups are (cgroups(7)): the only hierarchy of version 2, or each of version 1 in a folder below.
const ROOT: &str = "/sys/fs/cgroup";
/// What the kubelet wants to limit.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// The name of the control groups of whatever has this folder.
pub(super) fn name(folder: &Folder) -> String {
    folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Makes the control groups, or says why that is impossible.
pub(super) fn create(name: &str) -> Result<(), String> {
    create_below(Path::new(ROOT), name)
}

fn create_below(root: &Path, name: &str) -> Result<(), String> {
    if root.join("cgroup.controllers").exists() {
        return create_unified(root, name);
    }
    let hierarchies = hierarchies(root);
    if hierarchies.is_empty() {
        return Err(format!("no control groups are mounted in {}", root.display()));
    }
    hierarchies.iter().try_for_each(|hierarchy| create_in(hierarchy, name))
}

/// In version 2 a group has the controllers that its parent hands down.
fn create_unified(root: &Path, name: &str) -> Result<(), String> {
    let hand_down = CONTROLLERS.map(|controller| format!("+{controller}")).join(" ");
    // Where it is refused they may be handed down already.
    let refused = std::fs::write(root.join("cgroup.subtree_control"), hand_down).err();
    create_in(root, name)?;
    let given = std::fs::read_to_string(root.join(name).join("cgroup.controllers")).unwrap_or_default();
    let given: Vec<&str> = given.split_whitespace().collect();
    match CONTROLLERS.iter().find(|controller| !given.contains(controller)) {
        None => Ok(()),
        Some(lacking) => {
            let _removed = std::fs::remove_dir(root.join(name));
            let reason = refused.map_or_else(String::new, |error| format!(": {error}"));
            Err(format!("{} does not hand down the controller {lacking}{reason}", root.display()))
        }
    }
}

fn create_in(hierarchy: &Path, name: &str) -> Result<(), String> {
    match std::fs::create_dir(hierarchy.join(name)) {
        Ok(()) => Ok(()),
        // One hierarchy may have several names.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("control groups cannot be made in {}: {error}", hierarchy.display())),
    }
}

/// The hierarchies of version 1, and with them perhaps one of version 2 without controllers.
fn hierarchies(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    folders.filter(|folder| folder.join("cgroup.procs").exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, content: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn without_control_groups_it_is_said_where_they_were_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let refused = create_below(root.path(), "own").unwrap_err();
        assert_eq!(refused, format!("no control groups are mounted in {}", root.path().display()));
    }

    #[test]
    fn a_controller_that_is_not_handed_down_is_named() {
        let root = tempfile::tempdir().unwrap();
        file(&root.path().join("cgroup.controllers"), "cpu memory\n");
        let refused = create_below(root.path(), "own").unwrap_err();
        assert!(refused.ends_with("does not hand down the controller cpu"), "{refused}");
        assert!(!root.path().join("own").exists());
    }

    #[test]
    fn every_hierarchy_of_version_1_gets_a_group_and_other_folders_none() {
        let root = tempfile::tempdir().unwrap();
        for hierarchy in ["cpu", "memory"] {
            file(&root.path().join(hierarchy).join("cgroup.procs"), "");
        }
        std::fs::create_dir(root.path().join("other")).unwrap();
        create_below(root.path(), "own").unwrap();
        let made = ["cpu", "memory", "other"].map(|folder| root.path().join(folder).join("own").is_dir());
        assert_eq!(made, [true, true, false]);
    }
}
