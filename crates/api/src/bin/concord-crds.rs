//! Writes the CRDs as YAML, one file a kind: `concord-crds helm/concord/crds`; without a folder, to standard output.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    for crd in concord_api::custom_resource_definitions() {
        let yaml = serde_yaml::to_string(&crd)?;
        match &folder {
            Some(folder) => {
                std::fs::write(Path::new(folder).join(format!("{}.yaml", crd.spec.names.plural)), yaml)?;
            }
            None => println!("---\n{yaml}"),
        }
    }
    Ok(())
}
