//! A section that names a bucket.

use npanel_cloud::Bucket;

use super::{absolute_path, fields::Fields};

/// The bucket, and what the objects' names begin with.
pub(super) fn read(section: &mut Fields) -> Option<(Bucket, String)> {
    let plain =
        |text: &str| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) };
    let name = section.text("bucket", plain);
    let region = section.text("region", plain);
    let keys_file = section.text("keys_file", absolute_path);
    let prefix = section.text_or("prefix", String::new(), plain);
    let usual = format!("https://s3.{}.amazonaws.com", region.as_deref().unwrap_or_default());
    let endpoint = section.text_or("endpoint", usual, plain);
    let (((name, region), keys_file), endpoint) = name.zip(region).zip(keys_file).zip(endpoint)?;
    let bucket = Bucket::new(&endpoint, &region, &name, keys_file).map_err(|error| error.to_string());
    section.checked("endpoint", bucket).zip(prefix)
}
