"""Teams that this agency leads or has members in, as the gateway keeps them."""
