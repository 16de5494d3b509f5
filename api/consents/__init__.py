"""What people agreed and objected to, over HTTP."""
