mod damage;
mod lossy_disk;
mod power_loss;
mod support;
