"""The benchmark: migrator beside rsync, rclone, scp, lftp and tar, on the same data over the same real server."""
