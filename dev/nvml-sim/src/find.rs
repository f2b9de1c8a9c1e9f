//! Where cargo puts the library.

use std::path::{Path, PathBuf};

/// Name of the library as cargo builds it; clients look for `libnvidia-ml.so.1`.
const FILE_NAME: &str = "libconcord_nvml_sim.so";

/// The library that was built together with the program at `program`, which cargo put into `target/<profile>`,
/// `target/<profile>/deps` or `target/<profile>/examples`. Pass `std::env::current_exe()`.
#[must_use]
pub fn library_beside(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let profile = folder.parent()?;
    let places = [folder.join("deps"), folder.to_owned(), profile.join("deps")];
    places.iter().map(|place| place.join(FILE_NAME)).find(|path| path.is_file())
}
