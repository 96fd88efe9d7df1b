//! The module under test: built by the test run itself, so that it is never an old one.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Path of the module, built from the sources as they are now.
pub fn module_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--lib", "--package", "jobq"])
            .current_dir(root)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the module does not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        target.unwrap_or_else(|| root.join("target")).join("release/libjobq.so")
    })
}
