//! Generates the protobuf types and gRPC services, without a protoc on the machine, and which level a command needs.

mod levels;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "npanel/node/v1/node.proto",
        "npanel/enrolment/v1/enrolment.proto",
        "npanel/controller/v1/controller.proto",
        "npanel/command/v1/command.proto",
    ];
    println!("cargo:rerun-if-changed=npanel");
    let descriptors = protox::compile(files, ["."])?;
    levels::generate(&descriptors)?;
    tonic_prost_build::configure()
        // Secrets: their Debug is written by hand in src/redact.rs.
        .skip_debug([
            ".npanel.node.v1.CronJob",
            ".npanel.node.v1.DatabaseUser",
            ".npanel.enrolment.v1.EnrolRequest",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}
