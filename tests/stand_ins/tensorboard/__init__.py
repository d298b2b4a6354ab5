"""What stands in for TensorBoard where it is not installed: the folder must be on the path of the process."""
