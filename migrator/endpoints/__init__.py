"""How trees are read and written: this machine, the SSH connectors, the sftp lane and the confined writer."""
