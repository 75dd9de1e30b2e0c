"""What the command line does, one function a verb: build the parts from the configuration and run them."""
