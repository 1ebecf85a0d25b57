"""What a party believes of the gateway and the trustee, and the one way to follow them."""
